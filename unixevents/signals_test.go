//go:build unix

package unixevents

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"goloop/loop"
	"goloop/selector"

	"golang.org/x/sys/unix"
)

// patience bounds a wait for what must happen. It is only spent by a failure.
const patience = 20 * time.Second

func onEveryBackend(t *testing.T, test func(t *testing.T, l *UnixSelectorEventLoop)) {
	for _, name := range selector.Backends() {
		t.Run(name, func(t *testing.T) {
			l, err := NewUnixSelectorEventLoop(loop.Options{Selector: name})
			if err != nil {
				t.Fatal(err)
			}
			watchdog := time.AfterFunc(patience, func() {
				_, _ = l.CallSoonThreadsafe(func() { panic("the loop was not stopped") })
			})
			t.Cleanup(func() {
				watchdog.Stop()
				if err := l.Close(); err != nil {
					t.Error("Close:", err)
				}
			})
			test(t, l)
		})
	}
}

// raise does what a signal handler does: it writes bytes, and ignores the error.
func raise(l *UnixSelectorEventLoop, numbers ...syscall.Signal) {
	b := make([]byte, len(numbers))
	for i, n := range numbers {
		b[i] = byte(n)
	}
	_, _ = unix.Write(l.WakeupFd(), b)
}

func run(t *testing.T, l *UnixSelectorEventLoop) {
	t.Helper()
	if err := l.RunForever(); err != nil {
		t.Fatal("RunForever:", err)
	}
}

func TestSignalHandlers(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		var got []string
		add := func(sig syscall.Signal, word string) {
			t.Helper()
			if err := l.AddSignalHandler(sig, func() { got = append(got, word) }); err != nil {
				t.Error(err)
			}
		}
		add(syscall.SIGUSR1, "replaced")
		add(syscall.SIGUSR1, "usr1")
		add(syscall.SIGUSR2, "usr2")
		add(syscall.SIGHUP, "removed")
		if !l.RemoveSignalHandler(syscall.SIGHUP) || l.RemoveSignalHandler(syscall.SIGHUP) {
			t.Error("RemoveSignalHandler did not tell whether there was one")
		}
		if err := l.AddSignalHandler(syscall.SIGTERM, l.Stop); err != nil {
			t.Fatal(err)
		}
		// From outside of the loop, while it waits; 0 is a bare wake-up.
		go raise(l, syscall.SIGUSR2, 0, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGCHLD, syscall.SIGUSR1, syscall.SIGTERM)
		run(t, l)
		if want := []string{"usr2", "usr1", "usr1"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestSignalOrder: the byte is seen in one batch, the handler runs in the next,
// as asyncio's do.
func TestSignalOrder(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		var got []string
		if err := l.AddSignalHandler(syscall.SIGINT, func() {
			got = append(got, "signal")
			l.Stop()
		}); err != nil {
			t.Fatal(err)
		}
		raise(l, syscall.SIGINT)
		l.CallSoon(func() {
			got = append(got, "soon")
			l.CallSoon(func() { got = append(got, "next turn") })
		})
		l.CallLater(0, func() {
			got = append(got, "timer")
			l.CallSoon(func() { got = append(got, "after the timer") })
		})
		run(t, l)
		if want := []string{"soon", "timer", "next turn", "signal", "after the timer"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestManySignals: none is lost, however many wait, up to what the pipe holds.
func TestManySignals(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		const n = 4000 // a pipe takes 4096 bytes at least
		count := 0
		if err := l.AddSignalHandler(syscall.SIGCHLD, func() {
			if count++; count == n {
				l.Stop()
			}
		}); err != nil {
			t.Fatal(err)
		}
		raise(l, slices.Repeat([]syscall.Signal{syscall.SIGCHLD}, n)...)
		run(t, l)
		for range 100000 { // a full pipe takes no more, and blocks nobody
			raise(l, 0)
		}
		l.CallLater(0, l.Stop)
		run(t, l)
	})
}

func TestSignalErrors(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		for _, sig := range []syscall.Signal{-1, 0, syscall.SIGKILL, syscall.SIGSTOP, lastSignal + 1} {
			if err := l.AddSignalHandler(sig, func() {}); !errors.Is(err, ErrSignal) {
				t.Errorf("AddSignalHandler(%d): %v", int(sig), err)
			}
		}
		l.CallSoon(func() {
			if err := l.Close(); !errors.Is(err, loop.ErrRunning) {
				t.Error("Close of a running loop:", err)
			}
			l.Stop()
		})
		run(t, l)
		fd := l.WakeupFd()
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("WakeupFd is blocking: %#x, %v", flags, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("WakeupFd is inherited by a new program: %#x, %v", flags, err)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error("Close:", err)
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("after Close the pipe is open: %v", err)
		}
		if err := l.AddSignalHandler(syscall.SIGINT, func() {}); !errors.Is(err, loop.ErrClosed) {
			t.Error("AddSignalHandler on a closed loop:", err)
		}
		if l.RemoveSignalHandler(syscall.SIGINT) {
			t.Error("a closed loop has a handler")
		}
	})
	if _, err := NewUnixSelectorEventLoop(loop.Options{Selector: "iocp"}); err == nil {
		t.Error("an unknown selector is no error")
	}
}

// TestOpenSignalsOnEngine is how pybind uses the package: completions, no loop.
func TestOpenSignalsOnEngine(t *testing.T) {
	ring := make([]loop.Completion, 8)
	e, err := loop.New(loop.Options{Selector: os.Getenv("GOLOOP_SELECTOR"), Completions: ring})
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenSignals(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(s.WakeupFd(), []byte{15, 0, 2}); err != nil {
		t.Fatal(err)
	}
	n, err := e.Turn(nil, loop.TurnWait)
	if want := []loop.Completion{{Kind: loop.Signal, Res: 15}, {Kind: loop.Signal, Res: 2}}; !slices.Equal(ring[:n], want) {
		t.Errorf("Turn = %+v, %v, want %+v", ring[:n], err, want)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	s.Close()
	if _, err := OpenSignals(e); !errors.Is(err, loop.ErrClosed) {
		t.Error("OpenSignals on a closed engine:", err)
	}
}
