package loop

import (
	"syscall"
	"unsafe"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// connect begins to connect a non-blocking socket to the address at Ptr and tells in Res
// how that stands: 0, EINPROGRESS, or the errno of why it could not begin. One that is
// under way is its owner's to wait for, with a Watch for writing, and SO_ERROR tells its end.
//
// Over loopback, Linux shakes hands when connect(2) lets go of the socket, just after it has
// said EINPROGRESS. A socket that has a peer then is connected, which spares that wait. To
// ask for more would take the error that the socket has for whoever asks next.
func (e *Engine) connect(s *Submission) {
	errno := sys.Connect(s.Fd, uintptr(s.Ptr), int(s.Len))
	if errno == syscall.EINTR {
		errno = syscall.EINPROGRESS
	}
	if errno == syscall.EINPROGRESS && hasPeer(s.Fd) {
		errno = 0
	}
	s.Res = int32(errno)
}

// hasPeer tells whether fd is a connected socket.
func hasPeer(fd int32) bool {
	var name unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(name))
	return sys.Getpeername(fd, &name, &size) == 0
}
