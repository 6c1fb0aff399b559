package loop

import "syscall"

// connect begins to connect a non-blocking socket to the address at Ptr and tells in Res
// how that stands: 0, EINPROGRESS, or the errno of its failure. FlagBegun says that the
// system took it up, so that a failure is the connection's. One that is under way is
// its owner's to wait for, with a Watch for writing, and SO_ERROR tells its end.
//
// Over loopback, Linux shakes hands when connect(2) lets go of the socket, just after it has
// said EINPROGRESS. A second call tells the outcome, and spares that wait.
func (e *Engine) connect(s *Submission) {
	errno := sysConnect(s.Fd, uintptr(s.Ptr), int(s.Len))
	if errno == syscall.EINPROGRESS || errno == syscall.EINTR {
		s.Flags |= FlagBegun
		errno = syscall.EINPROGRESS
		if connectTellsOutcome {
			errno = sysConnect(s.Fd, uintptr(s.Ptr), int(s.Len))
		}
		switch errno {
		case syscall.EALREADY, syscall.EINTR:
			errno = syscall.EINPROGRESS
		case syscall.EISCONN:
			errno = 0
		}
	}
	s.Res = int32(errno)
}
