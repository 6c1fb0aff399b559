package loop

import (
	"syscall"

	"goloop/selector"
)

// Of a watched descriptor it is known what its owner asks about (asked) and what
// the selector watches for it (registered):
//
//	Watch of more, or of the same ──▶ asked = registered, and the system has agreed
//	Watch of less, or of nothing  ──▶ asked ⊂ registered: lapsing
//	the next look at the selector ──▶ asked = registered
//
// So a wait that ends and begins again within a turn, which is what a loop of
// sock_recv does, costs one call of the system and not two. A lapsing registration
// is never relied upon: every Watch that begins something asks the system, for
// the number may have been closed and given out again.

// watch replaces the set of directions that the owner of a descriptor asks
// about; an empty set forgets it. Res tells the system's refusal: the set is then
// as before, and the watch of an earlier generation is forgotten.
func (e *Engine) watch(s *Submission) {
	want := selector.Events(s.Flags & (FlagRead | FlagWrite))
	d := e.lookup(s.Fd, s.Generation)
	switch {
	case d != nil && d.kind != watched:
		s.Res = int32(syscall.EBUSY)
		return
	case d != nil && want != d.asked && want&^d.asked == 0:
		e.lapse(d, want)
		return
	case want == 0:
		return
	case d == nil:
		if d = e.claim(s.Fd, s.Generation, watched); d == nil {
			s.Res = int32(syscall.EBADF)
			return
		}
	}
	if err := e.confirm(d, want); err != nil {
		s.Res = errnoOf(err)
		if d.asked == 0 {
			e.forget(d)
		}
		return
	}
	d.asked = want
}

// confirm makes the selector watch d for want and asks the system also when it
// should do so already.
func (e *Engine) confirm(d *descriptor, want selector.Events) error {
	if want != d.registered || want == 0 {
		return e.setInterest(d, want)
	}
	return e.sel.Modify(int(d.fd), want, d.generation)
}

// lapse notes that less is asked about d; the selector is told later.
func (e *Engine) lapse(d *descriptor, asked selector.Events) {
	d.asked = asked
	if !d.lapsing {
		d.lapsing = true
		e.lapsed = append(e.lapsed, d)
	}
}

// endLapsed tells the selector what is no longer asked about. It comes before
// each look at it, so that no descriptor that is closed after its Watch of
// nothing is looked at.
func (e *Engine) endLapsed() {
	for _, d := range e.lapsed {
		if !d.lapsing {
			continue // another kind has taken the record
		}
		d.lapsing = false
		switch {
		case d.asked == 0:
			e.forget(d)
		case d.asked != d.registered:
			// Less cannot be refused, but of a descriptor that is closed.
			_ = e.setInterest(d, d.asked)
		}
	}
	e.lapsed = e.lapsed[:0]
}
