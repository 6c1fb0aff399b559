//go:build unix

package loop

import (
	"slices"
	"syscall"
	"testing"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// spy counts what a selector is asked.
type spy struct {
	selector.Selector
	calls []string
}

func (s *spy) Register(fd int, events selector.Events, generation uint32) error {
	s.calls = append(s.calls, "register")
	return s.Selector.Register(fd, events, generation)
}

func (s *spy) Modify(fd int, events selector.Events, generation uint32) error {
	s.calls = append(s.calls, "modify")
	return s.Selector.Modify(fd, events, generation)
}

func (s *spy) Unregister(fd int) error {
	s.calls = append(s.calls, "unregister")
	return s.Selector.Unregister(fd)
}

func (r *rig) spy() *spy {
	s := &spy{Selector: r.sel}
	r.sel = s
	return s
}

func (s *spy) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	if !slices.Equal(s.calls, want) {
		t.Errorf("%s: the selector was asked for %v, want %v", what, s.calls, want)
	}
	s.calls = nil
}

// expectReady takes a turn that polls and expects the directions of one watch.
func (r *rig) expectReady(what string, fd int, generation uint32, want ...uint16) {
	r.t.Helper()
	got := r.turn(TurnPoll)
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = got[i] == Completion{Kind: WatchReady, Flags: want[i], Fd: int32(fd), Generation: generation}
	}
	if !ok {
		r.t.Errorf("%s: %+v, want the directions %v of generation %d", what, got, want, generation)
	}
}

// TestWatchAgainIsOneCall: a wait that ends and begins anew before the next look
// at the selector is one call of the system, whatever its generation.
func TestWatchAgainIsOneCall(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		s := r.spy()
		a, b := socketPair(t)
		r.submit(watchOf(a, 1, FlagRead))
		r.quiet()
		s.expect(t, "the first watch", "register")
		for generation := uint32(2); generation < 10; generation++ {
			put(t, b, []byte("x"))
			r.expectReady("watched", a, generation-1, FlagRead)
			drain(t, a)
			r.submit(watchOf(a, generation-1, 0))
			r.submit(watchOf(a, generation, FlagRead))
			r.quiet()
			s.expect(t, "the next watch", "modify")
		}
		r.submit(watchOf(a, 9, 0))
		r.now()
		s.expect(t, "the end")
		r.turn(0)
		s.expect(t, "a turn that does not look")
		r.quiet()
		s.expect(t, "a turn that looks", "unregister")
		if r.Selector().Len() != 0 {
			t.Error("what nobody watches is registered")
		}
	})
}

// TestLapsedDirectionIsNotTold: one direction ends and the other goes on.
func TestLapsedDirectionIsNotTold(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		put(t, b, []byte("x"))
		r.submit(watchOf(a, 1, FlagRead|FlagWrite))
		r.expectReady("both", a, 1, FlagRead, FlagWrite)
		s := r.spy()
		r.submit(watchOf(a, 1, FlagWrite))
		r.expectReady("one", a, 1, FlagWrite)
		s.expect(t, "the end of the other", "modify")
		r.submit(watchOf(a, 1, FlagRead|FlagWrite))
		r.submit(watchOf(a, 1, FlagRead))
		r.submit(watchOf(a, 1, FlagRead|FlagWrite))
		r.expectReady("both again", a, 1, FlagRead, FlagWrite)
		s.expect(t, "an end that was taken back", "modify", "modify")
	})
}

// TestLapsingNumberIsGivenOutAgain: the descriptor is closed between two watches of
// its number, or without an end of the first. The next owner is told of its own file only.
func TestLapsingNumberIsGivenOutAgain(t *testing.T) {
	for name, ends := range map[string]bool{"ended": true, "not ended": false} {
		t.Run(name, func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, r *rig) {
				a, old := socketPair(t)
				kept, err := unix.Dup(a) // so that the kernel may go on watching the file
				if err != nil {
					t.Fatal(err)
				}
				own(t, kept)
				expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
				r.quiet()
				if ends {
					expectErrno(t, "Watch of nothing", r.errno(watchOf(a, 1, 0)), 0)
				}
				c, peer := socketPair(t)
				if err := unix.Dup2(c, a); err != nil {
					t.Fatal(err)
				}
				put(t, old, []byte("x"))
				expectErrno(t, "Watch of the next file", r.errno(watchOf(a, 2, FlagRead)), 0)
				for range 3 {
					r.quiet()
				}
				put(t, peer, []byte("x"))
				r.expectReady("the next file", a, 2, FlagRead)
			})
		})
	}
}

// TestLapsingDescriptorIsClosed: the number is nobody's when the selector is told,
// or another kind's.
func TestLapsingDescriptorIsClosed(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		expectErrno(t, "Watch of nothing", r.errno(watchOf(a, 1, 0)), 0)
		closeFd(t, a)
		r.quiet()
		if r.Selector().Len() != 0 {
			t.Error("a closed descriptor is registered")
		}
		b, peer := socketPair(t)
		if b != a {
			t.Fatalf("the number %d was not given out again, but %d", a, b)
		}
		expectErrno(t, "Watch", r.errno(watchOf(b, 2, FlagRead)), 0)
		expectErrno(t, "Watch of nothing", r.errno(watchOf(b, 2, 0)), 0)
		p := r.attach(b, 3)
		put(t, peer, []byte("hello"))
		if got := r.awaitData(p, 5); string(got) != "hello" {
			t.Errorf("the stream read %q", got)
		}
		if r.lookup(int32(b), 3).registered != selector.EventRead {
			t.Error("the end of the watch took the stream's registration")
		}
	})
}

// TestRefusedWatchAfterAnother forgets both: the descriptor is closed.
func TestRefusedWatchAfterAnother(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		if name := r.Selector().Name(); name == "poll" || name == "select" {
			t.Skip("poll and select find out when they look")
		}
		a, _ := socketPair(t)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		closeFd(t, a)
		expectErrno(t, "Watch of a closed descriptor", r.errno(watchOf(a, 2, FlagRead)), syscall.EBADF)
		if r.lookup(int32(a), 1) != nil || r.lookup(int32(a), 2) != nil || r.Selector().Len() != 0 {
			t.Error("the closed descriptor is kept")
		}
	})
}
