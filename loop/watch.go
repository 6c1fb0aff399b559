package loop

import (
	"errors"
	"syscall"

	"goloop/internal/sys"
	"goloop/selector"

	"golang.org/x/sys/unix"
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
// the number may have been closed and given out again. Where it was, Replaced tells the
// owner of the number that what it asked about before is a dead file's.

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
	replaced, err := e.confirm(d, want)
	if begins := selector.Events(s.Len); replaced && err == nil && begins != 0 && begins != want { // the rest is a dead file's
		want = begins
		err = e.setInterest(d, want)
	}
	if err != nil {
		s.Res = errnoOf(err)
		if d.asked == 0 {
			e.forget(d)
		}
		return
	}
	if replaced {
		s.Flags |= FlagReplaced
	}
	d.asked = want
}

// confirm makes the selector watch d for want and asks the system also when it
// should do so already. It tells whether the number names another file than when it was
// watched before.
func (e *Engine) confirm(d *descriptor, want selector.Events) (replaced bool, err error) {
	if want != d.registered {
		err = e.setInterest(d, want)
	} else if err = e.sel.Modify(int(d.fd), want, d.generation); errors.Is(err, selector.ErrReplaced) {
		d.registered = 0
	}
	if errors.Is(err, selector.ErrReplaced) {
		return true, e.setInterest(d, want)
	}
	if e.compares && err == nil {
		was := d.file()
		now, _ := fileOf(d.fd)
		if d.special == nil {
			d.special = &special{}
		}
		d.special.file = now
		replaced = was != file{} && was != now
	}
	return replaced, err
}

// dispatchWatched tells of what its owner asks about. A number that names another file
// by now is not that owner's any more, and is looked at again when the next begins.
func (e *Engine) dispatchWatched(d *descriptor, ready selector.Events) {
	if e.compares {
		if now, open := fileOf(d.fd); open && now != d.file() {
			_ = e.setInterest(d, 0)
			return
		}
	}
	if ready&^d.asked != 0 { // the system refused to watch for less
		e.lapse(d, d.asked)
	}
	ready &= d.asked
	if ready&selector.EventRead != 0 {
		e.Complete(Completion{Kind: WatchReady, Flags: FlagRead, Fd: d.fd, Generation: d.generation})
	}
	if ready&selector.EventWrite != 0 {
		e.Complete(Completion{Kind: WatchReady, Flags: FlagWrite, Fd: d.fd, Generation: d.generation})
	}
}

// file tells one open file from another as far as fstat(2) does: each socket and each
// pipe has a number of its own, but all of an eventfd's kind share one.
type file struct{ device, inode uint64 }

func fileOf(fd int32) (f file, open bool) {
	var status unix.Stat_t
	if err := sys.Fstat(int(fd), &status); err != nil {
		return file{}, false
	}
	return file{uint64(status.Dev), uint64(status.Ino)}, true
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
