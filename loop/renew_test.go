//go:build unix

package loop

import (
	"slices"
	"testing"
	"time"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

func renewalOf(fd int, generation uint32, direction uint16) Submission {
	s := watchOf(fd, generation, direction|FlagRenews)
	s.Len = int64(direction)
	return s
}

// onEpoll is for what only epoll needs: the others are asked at once.
func onEpoll(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, "", settings{})
	if r.Selector().Name() != "epoll" {
		t.Skip("only epoll")
	}
	r.hope.found = true
	return r
}

// sleeps takes a turn that waits until something happens, or a few milliseconds.
func (r *rig) sleeps() []Completion {
	r.t.Helper()
	r.user++
	r.submit(Submission{Op: OpTimerAdd, User: r.user, Len: r.Now() + int64(3*time.Millisecond)})
	var got []Completion
	for _, c := range r.turn(TurnWait) {
		if c.Kind != TimerDue {
			got = append(got, c)
		}
	}
	return got
}

// told fails unless a turn has told that one direction of a watch is ready, and nothing else.
func told(t *testing.T, what string, got []Completion, fd int, generation uint32, direction uint16) {
	t.Helper()
	if len(got) != 1 || got[0] != (Completion{Kind: WatchReady, Flags: direction, Fd: int32(fd), Generation: generation}) {
		t.Errorf("%s: told %+v, want the direction %d of %d, generation %d", what, got, direction, fd, generation)
	}
}

// TestRenewedWaitIsTold as one that begins, on every backend.
func TestRenewedWaitIsTold(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		for range 3 * trustedMost {
			put(t, b, []byte("x"))
			told(t, "the wait", r.turn(TurnWait), a, 1, FlagRead)
			drain(t, a)
			r.submit(renewalOf(a, 1, FlagRead))
			r.quiet()
		}
		r.submit(watchOf(a, 1, 0))
		r.quiet()
		if r.Selector().Len() != 0 {
			t.Error("what nobody watches is registered")
		}
	})
}

// TestBusyLoopDoesNotAsk: of waits that are ready before the loop sleeps only each trustedMost-th is asked about.
func TestBusyLoopDoesNotAsk(t *testing.T) {
	r := onEpoll(t)
	a, b := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	s := r.spy()
	for i := range 3 * trustedMost {
		if i%trustedMost == trustedMost-1 {
			s.expect(t, "before the last")
		}
		r.submit(renewalOf(a, 1, FlagRead))
		put(t, b, []byte("x"))
		told(t, "the wait", r.turn(TurnWait), a, 1, FlagRead)
		drain(t, a)
		if i%trustedMost == trustedMost-1 {
			s.expect(t, "the last", "modify")
		}
	}
}

// TestSleepAsks once, whether or not a look came before.
func TestSleepAsks(t *testing.T) {
	r := onEpoll(t)
	a, b := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	s := r.spy()
	for range hopeEvery + 1 {
		r.submit(renewalOf(a, 1, FlagRead))
		if got := r.sleeps(); len(got) != 0 {
			t.Fatalf("told %+v", got)
		}
		s.expect(t, "a sleep", "modify")
		r.sleeps()
		s.expect(t, "another")
	}
	put(t, b, []byte("x"))
	told(t, "the wait", r.turn(TurnWait), a, 1, FlagRead)
}

// TestWakeIsNotLost by the look before a sleep, which takes it.
func TestWakeIsNotLost(t *testing.T) {
	r := onEpoll(t)
	a, _ := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	for _, found := range []bool{true, false} {
		r.hope.found = found
		r.submit(renewalOf(a, 1, FlagRead))
		if err := r.Wake(); err != nil {
			t.Fatal(err)
		}
		if got := r.turn(TurnWait); len(got) != 0 || r.expired.Load() {
			t.Errorf("told %+v, or slept", got)
		}
	}
}

// TestRenewalOfAnotherFile: the number was given away after the wait before was told. It is the new file's wait: when the loop
// sleeps, and when it never does.
func TestRenewalOfAnotherFile(t *testing.T) {
	for name, kept := range map[string]bool{"closed": false, "open elsewhere and ready": true} {
		for _, busy := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				r := onEpoll(t)
				a, old := socketPair(t)
				next, peer := socketPair(t)
				put(t, old, []byte("x"))
				expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
				told(t, "the wait", r.turn(TurnWait), a, 1, FlagRead)
				if kept {
					dup, err := unix.Dup(a)
					if err != nil {
						t.Fatal(err)
					}
					own(t, dup)
				}
				giveAway(t, a, next)
				other, its := socketPair(t)
				if busy {
					put(t, its, []byte("x"))
					expectErrno(t, "Watch", r.errno(watchOf(other, 1, FlagRead)), 0)
				}
				heard := func() bool {
					return slices.ContainsFunc(r.sleeps(), func(c Completion) bool { return c.Fd == int32(a) })
				}
				wrong := 0
				r.submit(renewalOf(a, 1, FlagRead))
				for turns, began := 0, time.Now(); turns < trustedMost+3 || time.Since(began) < 5*time.Millisecond; turns++ {
					if heard() {
						wrong++
						r.submit(renewalOf(a, 1, FlagRead))
					}
				}
				if wrong > trustedMost || !kept && wrong != 1 { // the one time that it is told of another file
					t.Errorf("told %d times", wrong)
				}
				put(t, peer, []byte("y"))
				if !heard() {
					t.Error("the new file is not heard of")
				}
			})
		}
	}
}

// TestRenewalIsOvertaken: by an end, and by the watch of another generation.
func TestRenewalIsOvertaken(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		put(t, b, []byte("x"))
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		expectErrno(t, "Watch of nothing", r.errno(watchOf(a, 1, 0)), 0)
		r.submit(renewalOf(a, 1, FlagRead))
		r.quiet()
		expectErrno(t, "Watch", r.errno(watchOf(a, 2, FlagRead)), 0)
		expectErrno(t, "Watch", r.errno(watchOf(a, 3, FlagWrite)), 0)
		r.submit(renewalOf(a, 2, FlagRead))
		r.expectReady("the later", a, 3, FlagWrite)
	})
}

// TestRenewalThatEnds before it was asked about.
func TestRenewalThatEnds(t *testing.T) {
	r := onEpoll(t)
	a, b := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	r.submit(renewalOf(a, 1, FlagRead))
	r.quiet()
	s := r.spy()
	r.submit(watchOf(a, 1, 0))
	put(t, b, []byte("x"))
	r.quiet()
	s.expect(t, "the end", "unregister")
}

// TestRenewalBesideAnotherDirection: the other direction begins before the system was asked, and the number names another
// file: both are of that one.
func TestRenewalBesideAnotherDirection(t *testing.T) {
	r := onEpoll(t)
	a, _ := socketPair(t)
	next, peer := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	r.quiet()
	giveAway(t, a, next)
	r.submit(renewalOf(a, 1, FlagRead))
	r.quiet()
	begins := watchOf(a, 2, FlagRead|FlagWrite)
	begins.Len = FlagWrite
	r.submit(begins)
	sq := r.now()
	if s := sq[len(sq)-1]; s.Res != 0 || s.Flags&FlagReplaced != 0 {
		t.Errorf("Watch: errno %d, flags %#x", s.Res, s.Flags)
	}
	put(t, peer, []byte("x"))
	r.expectReady("both", a, 2, FlagRead, FlagWrite)
}

// TestRenewalOfAClosedNumber is heard of no more.
func TestRenewalOfAClosedNumber(t *testing.T) {
	r := onEpoll(t)
	a, _ := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	r.submit(renewalOf(a, 1, FlagRead))
	closeFd(t, a)
	if got := r.sleeps(); len(got) != 0 {
		t.Errorf("told %+v", got)
	}
	r.submit(watchOf(a, 1, 0))
	r.quiet()
	if r.Selector().Len() != 0 {
		t.Error("the closed descriptor is registered")
	}
}

// TestRenewalThatIsRefused: the file that the number names by now cannot be watched. Who waits is told, to try again.
func TestRenewalThatIsRefused(t *testing.T) {
	r := onEpoll(t)
	a, _ := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	file, err := unix.Open(t.TempDir(), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	own(t, file)
	giveAway(t, a, file)
	r.hope.found = false
	for range 2 { // a host that renews none the less is told no less
		r.submit(renewalOf(a, 1, FlagRead))
		want := Completion{Kind: WatchReady, Flags: FlagRead, Res: int32(unix.EPERM), Fd: int32(a), Generation: 1}
		if got := r.turn(TurnWait); len(got) != 1 || got[0] != want {
			t.Errorf("told %+v, want %+v", got, want)
		}
	}
	r.submit(watchOf(a, 1, 0))
	r.quiet()
	expectErrno(t, "Watch", r.errno(watchOf(a, 2, FlagRead)), unix.EPERM)
}

// TestUnasked: the host is told to come back while something is to be asked, and no longer.
func TestUnasked(t *testing.T) {
	r := onEpoll(t)
	a, b := socketPair(t)
	expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
	if r.turn(TurnPoll); r.Unasked() != 0 {
		t.Error("there is nothing to ask")
	}
	r.submit(renewalOf(a, 1, FlagRead))
	if r.turn(TurnPoll); r.Unasked() == 0 {
		t.Error("there is something to ask")
	}
	time.Sleep(2 * time.Millisecond)
	r.turn(TurnPoll) // the look after which it is too long ago
	if r.turn(TurnPoll); r.Unasked() != 0 {
		t.Error("it has been asked")
	}
	put(t, b, []byte("x"))
	r.expectReady("the wait", a, 1, FlagRead)
	if d := r.lookup(int32(a), 1); d.registered != selector.EventRead {
		t.Error("it is not registered")
	}
}
