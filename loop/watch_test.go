//go:build unix

package loop

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func watchOf(fd int, generation uint32, flags uint16) Submission {
	return Submission{Op: OpWatch, Flags: flags, Fd: int32(fd), Generation: generation}
}

func TestWatch(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		put(t, b, []byte("x"))
		expectReady := func(what string, generation uint32, want ...uint16) {
			t.Helper()
			got := r.turn(TurnPoll)
			ok := len(got) == len(want)
			for i := 0; ok && i < len(want); i++ {
				ok = got[i] == Completion{Kind: WatchReady, Flags: want[i], Fd: int32(a), Generation: generation}
			}
			if !ok {
				t.Errorf("%s: %+v, want the directions %v", what, got, want)
			}
		}
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		expectReady("read", 1, FlagRead)
		expectReady("read again", 1, FlagRead)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead|FlagWrite)), 0)
		expectReady("both", 1, FlagRead, FlagWrite)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagWrite)), 0)
		expectReady("write", 1, FlagWrite)
		expectErrno(t, "Watch", r.errno(watchOf(a, 2, FlagRead)), 0)
		expectReady("another generation", 2, FlagRead)
		expectErrno(t, "Watch of nothing, stale", r.errno(watchOf(a, 1, 0)), 0)
		expectReady("still", 2, FlagRead)
		expectErrno(t, "Watch of nothing", r.errno(watchOf(a, 2, 0)), 0)
		expectReady("nothing", 2)
		if r.Selector().Len() != 0 {
			t.Error("the descriptor is still watched")
		}
	})
}

// TestWatchDropsStaleEvents: an event of a turn that ran out of room is not told
// of a watch that has ended since, nor of the next one's other direction.
func TestWatchDropsStaleEvents(t *testing.T) {
	onEveryBackendWith(t, settings{ring: minRoom}, func(t *testing.T, r *rig) {
		var fds []int
		for range 10 {
			a, b := socketPair(t)
			put(t, b, []byte("x"))
			expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
			fds = append(fds, a)
		}
		served := len(r.turn(TurnPoll))
		if served == 0 || r.owed == 0 {
			t.Fatalf("%d events told and %d left: this tests nothing", served, r.owed)
		}
		first := int(r.inbox[0].Fd)
		for i, fd := range fds {
			switch i % 3 {
			case 0:
				r.submit(watchOf(fd, 1, 0))
			case 1:
				drain(t, fd)
			case 2:
				r.submit(watchOf(fd, 2, FlagRead))
			}
		}
		r.inbox = nil
		for range 20 {
			r.turn(TurnPoll)
		}
		for _, c := range r.inbox {
			for i, fd := range fds {
				if int(c.Fd) == fd && (i%3 != 2 || c.Generation != 2) {
					t.Errorf("descriptor %d of %v (the first is %d) told %+v", i, fds, first, c)
				}
			}
		}
		if len(r.inbox) == 0 {
			t.Error("what is watched was not told")
		}
	})
}

func TestWatchErrors(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		closeFd(t, a)
		for _, fd := range []int{a, -1, 1 << 30} {
			expectErrno(t, "Watch of what is not open", r.errno(watchOf(fd, 1, FlagRead)), syscall.EBADF)
			if r.lookup(int32(fd), 1) != nil {
				t.Error("a refused Watch is kept")
			}
		}
		if n := len(r.fds); n > 1<<20 {
			t.Errorf("the table has %d entries", n)
		}

		file, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		want := syscall.Errno(0) // poll and select call a file always ready
		if r.Selector().Name() == "epoll" {
			want = syscall.EPERM
		}
		if name := r.Selector().Name(); name != "kqueue" {
			expectErrno(t, "Watch of a regular file", r.errno(watchOf(int(file.Fd()), 1, FlagRead)), want)
			r.errno(watchOf(int(file.Fd()), 1, 0))
		}

		c, _ := socketPair(t)
		s := r.attach(c, 1)
		r.now()
		expectErrno(t, "Watch of a stream", r.errno(watchOf(int(s.fd), 1, FlagRead)), syscall.EBUSY)
		expectErrno(t, "Watch of the waker", r.errno(watchOf(r.Selector().WakeFd(), 1, FlagRead)), wakerErrno(r))
	})
}

// wakerErrno: eventfd has one descriptor, a pipe one for each end.
func wakerErrno(r *rig) syscall.Errno {
	if r.Selector().Register(r.Selector().WakeFd(), 1, 1) != nil {
		return syscall.EEXIST
	}
	_ = r.Selector().Unregister(r.Selector().WakeFd())
	return 0
}

// TestWatchClosedDescriptor: a descriptor that its user closes too early is the
// user's to explain; the engine forgets it without harm to the next of its number.
func TestWatchClosedDescriptor(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
		closeFd(t, a)
		expectErrno(t, "Watch of more directions", r.errno(watchOf(a, 1, FlagRead|FlagWrite)), syscall.EBADF)
		expectErrno(t, "Watch of none", r.errno(watchOf(a, 1, 0)), 0)
		b, c := socketPair(t)
		if b != a && c != a {
			t.Fatalf("the number %d was not given out again", a)
		}
		expectErrno(t, "Watch", r.errno(watchOf(a, 2, FlagWrite)), 0)
		if got := r.turn(TurnPoll); len(got) != 1 || got[0].Generation != 2 {
			t.Errorf("the next descriptor %d told %+v", a, got)
		}
	})
}

type sourceFunc func(e *Engine)

func (f sourceFunc) Ready(e *Engine) { f(e) }

func TestSource(t *testing.T) {
	onEveryBackendWith(t, settings{ring: 8}, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		calls := 0
		ready := sourceFunc(func(e *Engine) {
			calls++
			for range drainCount(t, a) {
				e.Complete(Completion{Kind: Signal, Res: 7})
			}
		})
		if err := r.AddSource(a, 1, ready); err != nil {
			t.Fatal(err)
		}
		r.quiet()
		put(t, b, make([]byte, 20)) // more than the ring takes
		r.until(func() bool { return len(r.inbox) == 20 })
		r.quiet()
		if calls != 1 {
			t.Errorf("Ready was called %d times", calls)
		}
		r.op(OpDetach, pair{int32(a), 1})
		put(t, b, []byte("x"))
		r.quiet()
		closeFd(t, a)
		for _, fd := range []int{a, -1, 1 << 30} {
			if err := r.AddSource(fd, 1, ready); errnoOf(err) != int32(syscall.EBADF) {
				t.Errorf("AddSource of %d: %v", fd, err)
			}
			if r.lookup(int32(fd), 1) != nil {
				t.Errorf("the refused source %d is kept", fd)
			}
		}
		if r.Selector().Len() != 0 {
			t.Error("a refused source is watched")
		}
	})
}

func drainCount(t *testing.T, fd int) int {
	got, _ := drain(t, fd)
	return len(got)
}
