package loop

import (
	"syscall"

	"goloop/selector"
)

// watch replaces the set of directions that the owner of a descriptor asks
// about; an empty set forgets it. Res tells the system's refusal, upon which
// the set is as before.
func (e *Engine) watch(s *Submission) {
	want := selector.Events(s.Flags & (FlagRead | FlagWrite))
	d := e.lookup(s.Fd, s.Generation)
	if d != nil && d.kind != watched {
		s.Res = int32(syscall.EBUSY)
		return
	}
	if want == 0 {
		if d != nil {
			e.forget(d)
		}
		return
	}
	if d == nil {
		if d = e.claim(s.Fd, s.Generation, watched); d == nil {
			s.Res = int32(syscall.EBADF)
			return
		}
	}
	if err := e.setInterest(d, want); err != nil {
		s.Res = errnoOf(err)
		if d.registered == 0 {
			e.forget(d)
		}
	}
}
