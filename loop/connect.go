package loop

import "syscall"

// connect begins to connect a non-blocking socket to the address at Ptr and tells in Res
// how that stands: 0, EINPROGRESS, or the errno of its failure. FlagBegun says that the
// system took it up, so that a failure is the connection's. One that is under way is
// its owner's to wait for, with a Watch for writing, and SO_ERROR tells its end.
//
// Over loopback, Linux shakes hands when connect(2) lets go of the socket, just after it has
// said EINPROGRESS. To ask for the outcome spares that wait.
func (e *Engine) connect(s *Submission) {
	errno := sysConnect(s.Fd, uintptr(s.Ptr), int(s.Len))
	if errno == syscall.EINPROGRESS || errno == syscall.EINTR {
		s.Flags |= FlagBegun
		errno = connectOutcome(s.Fd)
	}
	s.Res = int32(errno)
}

// connectOutcome is what has become of a connect: a socket that has a peer is connected.
func connectOutcome(fd int32) syscall.Errno {
	if sysHasPeer(fd) {
		return 0
	}
	errno, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	switch {
	case err != nil:
		return syscall.Errno(errnoOf(err))
	case errno == 0:
		return syscall.EINPROGRESS
	}
	return syscall.Errno(errno)
}
