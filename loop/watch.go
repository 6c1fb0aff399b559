package loop

import (
	"errors"
	"syscall"
	"time"

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
// So a wait that ends and begins again within a turn costs one call of the system and
// not two. A lapsing registration
// is never relied upon: every Watch that begins something asks the system, for
// the number may have been closed and given out again. Where it was, Replaced tells the
// owner of the number that what it asked about before is a dead file's.
//
// When a direction was watched alone, and the next wait is for the same, the Watch renews,
// which is what a loop of sock_recv does. Then the question may come later, for a busy loop has the answer before:
// the selector finds the descriptor ready.
//
//	Watch that renews      ──▶ trusted, if what is registered is what is asked
//	it is found ready      ──▶ no question
//	the loop would sleep, or trustedFor has passed, or it is the renewal trustedMost ──▶ the system is asked
//
// So of a number that was given to another file in between he who waits hears as soon as the loop has nothing else to do, and
// 1 ms and up to two times unaskedMost turns later where it always has. Where the file before is open elsewhere and ready, its
// readiness is taken for the number's so many times at most.

const (
	trustedFor  = int64(time.Millisecond) // after the look before it began
	trustedMost = 32
	unaskedMost = 8  // turns without the engine, while there is something to ask
	hopeEvery   = 16 // sleeps
)

// watch replaces the set of directions that the owner of a descriptor asks
// about; an empty set forgets it. Res tells the system's refusal: the set is then
// as before, and the watch of an earlier generation is forgotten.
func (e *Engine) watch(s *Submission) {
	want := selector.Events(s.Flags & (FlagRead | FlagWrite))
	begins := selector.Events(s.Len) & want
	d := e.lookup(s.Fd, s.Generation)
	switch {
	case s.Flags&FlagRenews != 0:
		e.renew(d, want)
		return
	case d != nil && d.kind != watched:
		s.Res = int32(syscall.EBUSY)
		return
	case d != nil && want != d.asked && want&^d.asked == 0:
		e.lapse(d, want)
		return
	case want == 0:
		return
	case d == nil:
		if begins != 0 && e.trusts(s.Fd) { // what it has is of the file that it names since
			begins |= e.fds[s.Fd].asked & want
		}
		if d = e.claim(s.Fd, s.Generation, watched); d == nil {
			s.Res = int32(syscall.EBADF)
			return
		}
	}
	replaced, err := e.confirm(d, want)
	if begins == want {
		replaced = false // for its owner: nothing that it asks about is a dead file's
	}
	if replaced && err == nil && begins != 0 {
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

// renew goes on with the registration of a wait that has been told, for the next. d: nil, or asked about
// something else, when another's Watch has come before it.
func (e *Engine) renew(d *descriptor, want selector.Events) {
	if d == nil || d.kind != watched || d.asked != want {
		return
	}
	d.since = e.looked
	d.renewals++
	if e.compares || d.registered != want || d.renewals%trustedMost == 0 {
		e.question(d)
		return
	}
	d.trusted = true
	e.laterFor(d)
}

// question asks about a wait that was renewed. Where the number names another file, or one that cannot be watched, it is told as ready:
// who waits tries again with what he has the number of, and his next wait is for that. Res: it cannot be watched, so that wait is
// no renewal and hears what is wrong. A number that is closed is heard of no more.
func (e *Engine) question(d *descriptor) {
	d.trusted = false
	was := d.registered
	replaced, err := e.confirm(d, d.asked)
	if was == 0 && err != nil || was != 0 && (replaced || err != nil && !errors.Is(err, syscall.EBADF)) {
		_ = e.setInterest(d, 0)
		e.tellReady(d, d.asked, errnoOf(err))
	}
}

func (e *Engine) trusts(fd int32) bool {
	return fd >= 0 && int(fd) < len(e.fds) && e.fds[fd] != nil && e.fds[fd].trusted
}

// Unasked is how many turns may go by without the engine while there is something that the system is to be told or
// asked; 0: any number.
func (e *Engine) Unasked() int {
	if len(e.lapsed) == 0 {
		return 0
	}
	return unaskedMost
}

// hope is that the look before a sleep finds something, which spares a question for each wait that is trusted. Else it is a call
// for nothing, so after one that was another is made each hopeEvery-th time.
type hope struct {
	found  bool
	sleeps uint8
}

// lookFirst comes before a wait of the selector while there are trusted waits: they are asked about when it finds nothing. ended: there
// is nothing to wait for.
func (e *Engine) lookFirst() (n int, ended bool, err error) {
	h := &e.hope
	h.sleeps++
	if h.found || h.sleeps%hopeEvery == 0 {
		n, err = e.sel.Select(e.events, 0)
		ended = n > 0 || e.sel.Woken()
		h.found = ended
	}
	if !ended {
		e.endLapsed(true)
		ended = e.ncq > 0 || len(e.overflow) > 0
	}
	return n, ended, err
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
	if ready &= d.asked; ready != 0 {
		d.trusted = false
	}
	e.tellReady(d, ready, 0)
}

func (e *Engine) tellReady(d *descriptor, ready selector.Events, refused int32) {
	if ready&selector.EventRead != 0 {
		e.Complete(Completion{Kind: WatchReady, Flags: FlagRead, Res: refused, Fd: d.fd, Generation: d.generation})
	}
	if ready&selector.EventWrite != 0 {
		e.Complete(Completion{Kind: WatchReady, Flags: FlagWrite, Res: refused, Fd: d.fd, Generation: d.generation})
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
	d.trusted = false
	e.laterFor(d)
}

// laterFor has endLapsed look at d.
func (e *Engine) laterFor(d *descriptor) {
	if !d.lapsing {
		d.lapsing = true
		e.lapsed = append(e.lapsed, d)
	}
}

// endLapsed tells the selector what is no longer asked about. It comes before
// each look at it, so that no descriptor that is closed after its Watch of
// nothing is looked at. Those that are trusted are asked about when it is time, or when the loop sleeps, and else stay.
func (e *Engine) endLapsed(sleeps bool) {
	kept := e.lapsed[:0]
	for _, d := range e.lapsed {
		if !d.lapsing {
			continue // another kind has taken the record
		}
		if d.trusted && !sleeps && e.looked-d.since < trustedFor {
			kept = append(kept, d)
			continue
		}
		d.lapsing = false
		switch {
		case d.asked == 0:
			e.forget(d)
		case d.trusted:
			e.question(d)
		case d.asked != d.registered:
			// Less cannot be refused, but of a descriptor that is closed.
			_ = e.setInterest(d, d.asked)
		}
	}
	e.lapsed = kept
}
