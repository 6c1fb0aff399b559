//go:build unix

package loop

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// giveAway closes fd and gives its number to a duplicate of the open file from.
func giveAway(t *testing.T, fd, from int) {
	t.Helper()
	if err := unix.Dup2(from, fd); err != nil {
		t.Fatal(err)
	}
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// TestWatchTellsOfAnotherFile: who watches a number learns that it names another file
// than when it was watched before, and of that alone.
func TestWatchTellsOfAnotherFile(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		next, _ := socketPair(t)
		watch := func(what string, generation uint32, flags uint16, replaced bool) {
			t.Helper()
			r.submit(watchOf(a, generation, flags))
			sq := r.now()
			s := sq[len(sq)-1]
			expectErrno(t, what, syscall.Errno(s.Res), 0)
			if got := s.Flags&FlagReplaced != 0; got != replaced {
				t.Errorf("%s: replaced is %v, want %v", what, got, replaced)
			}
		}
		watch("the first", 1, FlagRead, false)
		watch("more", 2, FlagRead|FlagWrite, false)
		watch("the same", 3, FlagRead|FlagWrite, false)
		giveAway(t, a, next)
		watch("the same of another file", 4, FlagRead|FlagWrite, true)
		watch("the same again", 5, FlagRead|FlagWrite, false)
		r.submit(watchOf(a, 5, 0))
		r.turn(TurnPoll)
		watch("after none", 6, FlagRead, false)
		giveAway(t, a, r.Selector().WakeFd())
		watch("more of another file", 7, FlagRead|FlagWrite, true)
	})
}

// TestWatchOfAnotherFileIsWhatBegins: where the number names another file, the direction that begins is watched, and
// the one that was watched before is not.
func TestWatchOfAnotherFileIsWhatBegins(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		next, peer := socketPair(t)
		put(t, peer, []byte("x"))
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		giveAway(t, a, next)
		begins := watchOf(a, 2, FlagRead|FlagWrite)
		begins.Len = FlagWrite
		r.submit(begins)
		sq := r.now()
		if s := sq[len(sq)-1]; s.Res != 0 || s.Flags&FlagReplaced == 0 {
			t.Errorf("Watch: errno %d, flags %#x", s.Res, s.Flags)
		}
		for range 2 {
			if got := r.turn(TurnPoll); len(got) != 1 || got[0].Flags != FlagWrite {
				t.Fatalf("told %+v, want that it can be written to", got)
			}
		}
		begins.Generation, begins.Len = 3, FlagRead
		expectErrno(t, "Watch of both, of the same file", r.errno(begins), 0)
		if got := r.turn(TurnPoll); len(got) != 2 {
			t.Errorf("told %+v, want both directions", got)
		}
	})
}

// TestWatchHearsNothingOfTheNextOwner: what is ready at the number is another's.
func TestWatchHearsNothingOfTheNextOwner(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		next, peer := socketPair(t)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead|FlagWrite)), 0)
		giveAway(t, a, next)
		put(t, peer, []byte("x"))
		for range 3 {
			if got := r.turn(TurnPoll); len(got) != 0 {
				t.Fatalf("told %+v", got)
			}
		}
		r.submit(watchOf(a, 2, FlagRead))
		sq := r.now()
		if s := sq[len(sq)-1]; s.Res != 0 || s.Flags&FlagReplaced == 0 {
			t.Errorf("Watch: errno %d, flags %#x", s.Res, s.Flags)
		}
		if got := r.turn(TurnPoll); len(got) != 1 || got[0].Generation != 2 {
			t.Errorf("told the next owner %+v", got)
		}
	})
}

// TestCloseLeavesTheNextOwnersNumber: a stream whose number was closed behind its back,
// as it has been told, does not close what the number names by now.
func TestCloseLeavesTheNextOwnersNumber(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		next, _ := socketPair(t)
		p := r.attach(a, 1)
		r.write(p, []byte("x")) // a batch opens its own descriptor now, not at the number
		r.now()
		closeFd(t, a)
		r.write(p, []byte("x"))
		expectErrno(t, "the stream", syscall.Errno(r.await(Error, p).Res), syscall.EBADF)
		giveAway(t, a, next)
		r.op(OpClose, p)
		r.now()
		if !isOpen(a) {
			t.Error("the next owner's number is closed")
		}
		r.op(OpClose, pair{int32(a), 2}) // nobody's
		r.now()
		if !isOpen(a) {
			t.Error("a pair that is not known closed its number")
		}
		r.attach(a, 3)
		r.op(OpClose, p)
		r.now()
		if !isOpen(a) {
			t.Error("a stale pair closed the number")
		}
		r.op(OpClose, pair{int32(a), 3})
		r.now()
		if isOpen(a) {
			t.Error("the number's owner did not close it")
		}
	})
}

// TestAttachOfAnyOpenNumber: nothing but a number that is not open is refused, so none that
// is open is left without somebody who closes it.
func TestAttachOfAnyOpenNumber(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		const high = 900
		giveAway(t, high, a)
		p := r.attach(high, 1)
		r.op(OpClose, p)
		r.now()
		if isOpen(high) {
			t.Error("the number is still open")
		}
	})
}

// TestStreamOfAReplacedNumberFails: a stream that asks for more of a number that names
// another file by now is told, and reads nothing of it.
func TestStreamOfAReplacedNumberFails(t *testing.T) {
	r := newRig(t, "", settings{})
	if r.Selector().Name() != "epoll" {
		t.Skip("only epoll can tell")
	}
	a, _ := socketPair(t)
	next, peer := socketPair(t)
	p := r.attach(a, 1)
	r.now()
	fill(t, next)
	giveAway(t, a, next)
	put(t, peer, []byte("for the next owner"))
	r.write(p, []byte("has to wait"))
	expectErrno(t, "the stream", syscall.Errno(r.await(Error, p).Res), syscall.EBADF)
	r.quiet()
	if got, _ := drain(t, next); string(got) != "for the next owner" {
		t.Errorf("the next owner got %q", got)
	}
}
