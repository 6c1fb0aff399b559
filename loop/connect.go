package loop

import (
	"syscall"

	"goloop/selector"
)

// connect starts a connect on a non-blocking socket and tells its end, good or
// bad, as Connected; the descriptor is then the caller's again.
func (e *Engine) connect(s *Submission) {
	errno := sysConnect(s.Fd, uintptr(s.Ptr), int(s.Len))
	if errno != syscall.EINPROGRESS && errno != syscall.EINTR {
		e.Complete(Completion{Kind: Connected, Fd: s.Fd, Generation: s.Generation, Res: int32(errno), User: s.User})
		return
	}
	d := e.claim(s.Fd, s.Generation, connecting) // open, for connect(2) took it
	d.user = s.User
	if err := e.setInterest(d, selector.EventWrite); err != nil {
		e.endConnect(d, errnoOf(err))
	}
}

// connected reads the result of a connect that has ended.
func (e *Engine) connected(d *descriptor) {
	errno, err := syscall.GetsockoptInt(int(d.fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	if err != nil {
		errno = int(errnoOf(err))
	}
	e.endConnect(d, int32(errno))
}

func (e *Engine) endConnect(d *descriptor, errno int32) {
	e.forget(d)
	e.Complete(Completion{Kind: Connected, Fd: d.fd, Generation: d.generation, Res: errno, User: d.user})
}
