//go:build unix

package loop

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// loopsOnEveryBackend runs test once for each selector, with a loop that stops
// by itself when the test has failed to stop it.
func loopsOnEveryBackend(t *testing.T, test func(t *testing.T, l *SelectorEventLoop)) {
	for _, name := range selector.Backends() {
		t.Run(name, func(t *testing.T) { test(t, newLoop(t, name)) })
	}
}

func newLoop(t testing.TB, backend string) *SelectorEventLoop {
	t.Helper()
	l, err := NewSelectorEventLoop(Options{Selector: backend})
	if err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(patience, func() {
		_, _ = l.CallSoonThreadsafe(func() { panic("the loop was not stopped") })
		_ = l.engine.Wake() // if it is this that does not work
	})
	t.Cleanup(func() {
		watchdog.Stop()
		if err := l.Close(); err != nil {
			t.Error("Close:", err)
		}
	})
	return l
}

func run(t testing.TB, l *SelectorEventLoop) {
	t.Helper()
	if err := l.RunForever(); err != nil {
		t.Fatal("RunForever:", err)
	}
}

// TestOrder is asyncio's _run_once: ready, I/O, timers; what a turn schedules
// runs in the next.
func TestOrder(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		a, b := socketPair(t)
		put(t, b, []byte("x"))
		var got []string
		say := func(word string) func() { return func() { got = append(got, word) } }
		now := l.Time()
		l.CallAt(now-1, say("timer 2"))
		l.CallAt(now-2, say("timer 1"))
		l.CallAt(now-1, say("timer 3"))
		l.CallLater(math.MinInt64, say("timer 0"))
		l.CallLater(math.MaxInt64, say("never"))
		if err := errors.Join(l.AddWriter(a, say("writer")), l.AddReader(a, say("reader"))); err != nil {
			t.Fatal(err)
		}
		l.CallSoon(func() {
			got = append(got, "soon 1")
			l.CallSoon(func() {
				got = append(got, "next turn")
				l.Stop()
				l.CallSoon(say("not run"))
			})
		})
		l.CallSoon(say("soon 2"))
		if _, err := l.CallSoonThreadsafe(say("soon 3")); err != nil {
			t.Fatal(err)
		}
		run(t, l)
		want := "soon 1,soon 2,soon 3,reader,writer,timer 0,timer 1,timer 2,timer 3,next turn,reader,writer"
		if strings.Join(got, ",") != want {
			t.Errorf("got  %v\nwant %v", strings.Join(got, ","), want)
		}
		// Stop before the run: one turn, which does not wait.
		got = nil
		l.RemoveReader(a)
		l.RemoveWriter(a)
		l.Stop()
		run(t, l)
		if strings.Join(got, ",") != "not run" {
			t.Errorf("a stopped loop ran %v", got)
		}
		l.Stop()
		run(t, l)
	})
}

func TestCancel(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		a, b := socketPair(t)
		put(t, b, []byte("x"))
		bad := func() { t.Error("a cancelled callback ran") }
		soon := l.CallSoon(bad)
		soon.Cancel()
		soon.Cancel()
		early := l.CallLater(time.Hour, bad)
		early.Cancel()
		// A callback of the same turn cancels what is behind it.
		var due, later *TimerHandle
		l.CallSoon(func() {
			due.Cancel()
			later.Cancel()
			if !l.RemoveReader(a) || l.RemoveReader(a) {
				t.Error("RemoveReader did not tell whether there was one")
			}
			l.CallLater(0, l.Stop)
		})
		due = l.CallLater(0, bad)
		later = l.CallLater(time.Hour, bad)
		if err := l.AddReader(a, bad); err != nil {
			t.Fatal(err)
		}
		run(t, l)
		if !soon.Cancelled() || !due.Cancelled() || !early.Cancelled() {
			t.Error("Cancelled is false after Cancel")
		}
		if n := len(l.timers.free); n != len(l.timers.entries) {
			t.Errorf("%d of %d timer ids are free", n, len(l.timers.entries))
		}
		fired := l.CallLater(0, l.Stop)
		run(t, l)
		if fired.Cancelled() {
			t.Error("Cancelled is true of a timer that fired")
		}
		fired.Cancel() // its id may be another's by now
		other := l.CallLater(0, l.Stop)
		fired.Cancel()
		run(t, l)
		if other.Cancelled() {
			t.Error("a late Cancel reached another timer")
		}
	})
}

// TestTimerIDs: a pair that is stale names no handle, nor the next one of its id.
func TestTimerIDs(t *testing.T) {
	var s scheduled
	first, second := &TimerHandle{}, &TimerHandle{}
	s.put(first)
	id, generation := first.id, first.generation
	if s.take(id, generation) != first || s.take(id, generation) != nil {
		t.Error("a handle is taken once")
	}
	s.entries[id].generation = math.MaxUint32
	s.put(second)
	if second.id != id || second.generation != 1 {
		t.Errorf("the id is used again as %d, %d, want %d and generation 1", second.id, second.generation, id)
	}
	if s.take(id, 2) != nil || s.take(id+1, 1) != nil || s.take(id, 1) != second {
		t.Error("a stale pair named a handle")
	}
}

func TestTimers(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		const n = 1000 // more than the ring of submissions takes
		var got []int
		start := l.Time()
		for i := range n {
			when := start + time.Duration((i*7919)%n)*10*time.Microsecond
			h := l.CallAt(when, func() {
				if l.Time() < when {
					t.Errorf("timer %d is early", i)
				}
				if got = append(got, (i*7919)%n); len(got) == n/2 {
					l.Stop()
				}
			})
			if h.When() != when {
				t.Errorf("When %v, want %v", h.When(), when)
			}
			if (i*7919)%n%2 == 1 {
				h.Cancel()
			}
		}
		run(t, l)
		if !slices.IsSorted(got) {
			t.Errorf("timers out of order: %v", got)
		}
	})
}

func TestReplaceReader(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		a, b := socketPair(t)
		put(t, b, []byte("x"))
		var got []string
		if err := l.AddReader(a, func() { t.Error("the old reader ran") }); err != nil {
			t.Fatal(err)
		}
		if err := l.AddReader(a, func() {
			got = append(got, "reader")
			l.RemoveReader(a)
			if err := l.AddWriter(a, func() {
				got = append(got, "writer")
				if !l.RemoveWriter(a) || l.RemoveWriter(a) {
					t.Error("RemoveWriter did not tell whether there was one")
				}
				l.Stop()
			}); err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		run(t, l)
		if !slices.Equal(got, []string{"reader", "writer"}) {
			t.Errorf("got %v", got)
		}
		if _, err := l.engine.Turn(nil, TurnPoll); err != nil || l.engine.Selector().Len() != 0 {
			t.Errorf("a removed descriptor is watched; %v", err)
		}
		// The number of a descriptor that was closed without RemoveReader.
		if err := l.AddReader(a, func() { t.Error("the reader of a closed descriptor ran") }); err != nil {
			t.Fatal(err)
		}
		closeFd(t, a)
		if !l.RemoveReader(a) {
			t.Error("RemoveReader forgot a closed descriptor")
		}
	})
}

func TestAddReaderErrors(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		a, _ := socketPair(t)
		closeFd(t, a)
		for _, fd := range []int{a, -1, 1 << 30, 1 << 40} {
			err := l.AddReader(fd, func() {})
			if !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), fmt.Sprint(fd)) {
				t.Errorf("AddReader(%d): %v, want EBADF with the number", fd, err)
			}
			if l.RemoveReader(fd) || l.RemoveWriter(fd) {
				t.Errorf("descriptor %d is watched", fd)
			}
		}
		if len(l.watches) > 1<<20 {
			t.Errorf("the table has %d entries", len(l.watches))
		}
	})
}

// TestPanic: a panic leaves the loop as a KeyboardInterrupt leaves asyncio's.
func TestPanic(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		var got []string
		l.CallSoon(func() { got = append(got, "before"); l.Stop() })
		l.CallSoon(func() { panic("interrupt") })
		l.CallSoon(func() { got = append(got, "behind") })
		l.CallLater(0, func() { got = append(got, "timer") })
		func() {
			defer func() {
				if r := recover(); r != "interrupt" {
					t.Errorf("recovered %v", r)
				}
			}()
			_ = l.RunForever()
			t.Error("RunForever returned")
		}()
		if l.IsRunning() || l.IsClosed() {
			t.Error("after a panic the loop is running or closed")
		}
		l.CallSoon(l.Stop)
		run(t, l)
		if want := []string{"before", "behind", "timer"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestSourceOfSignals: completions of a Source become callbacks, in their place
// among the descriptors; without OnSignal they are dropped.
func TestSourceOfSignals(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		a, b := socketPair(t)
		var got []int
		if err := l.Engine().AddSource(a, 1, sourceFunc(func(e *Engine) {
			for range drainCount(t, a) {
				e.Complete(Completion{Kind: Signal, Res: 3})
			}
		})); err != nil {
			t.Fatal(err)
		}
		put(t, b, []byte("x"))
		l.Stop()
		run(t, l)
		add := func(number int) {
			if got = append(got, number); len(got) == 2*completionRing+1 {
				l.Stop()
			}
		}
		l.OnSignal(add)
		put(t, b, make([]byte, 2*completionRing)) // more than one turn tells
		l.CallLater(0, func() { add(0) })
		run(t, l)
		if slices.Index(got, 0) < completionRing {
			t.Errorf("the timer came as callback %d, before descriptors", slices.Index(got, 0))
		}
	})
}

func TestStates(t *testing.T) {
	l, err := NewSelectorEventLoop(Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := socketPair(t)
	if l.IsRunning() || l.IsClosed() {
		t.Error("a new loop is running or closed")
	}
	l.CallSoon(func() {
		if !l.IsRunning() {
			t.Error("a running loop is not running")
		}
		if err := l.RunForever(); !errors.Is(err, ErrRunning) {
			t.Error("RunForever inside of RunForever:", err)
		}
		if err := l.Close(); !errors.Is(err, ErrRunning) {
			t.Error("Close inside of RunForever:", err)
		}
		l.Stop()
	})
	run(t, l)
	timer := l.CallLater(time.Hour, func() {})
	if err := l.AddReader(a, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error("Close:", err)
	}
	if l.IsRunning() || !l.IsClosed() {
		t.Error("a closed loop is running or not closed")
	}
	timer.Cancel()
	if l.RemoveReader(a) {
		t.Error("a closed loop watches a descriptor")
	}
	if err := l.RunForever(); !errors.Is(err, ErrClosed) {
		t.Error("RunForever on a closed loop:", err)
	}
	if err := l.AddReader(a, func() {}); !errors.Is(err, ErrClosed) {
		t.Error("AddReader on a closed loop:", err)
	}
	if _, err := l.CallSoonThreadsafe(func() {}); !errors.Is(err, ErrClosed) {
		t.Error("CallSoonThreadsafe on a closed loop:", err)
	}
	for name, call := range map[string]func(){
		"CallSoon":  func() { l.CallSoon(func() {}) },
		"CallLater": func() { l.CallLater(0, func() {}) },
		"CallAt":    func() { l.CallAt(0, func() {}) },
	} {
		func() {
			defer func() {
				if r := recover(); r != ErrClosed {
					t.Errorf("%s on a closed loop: recovered %v", name, r)
				}
			}()
			call()
		}()
	}
	if _, err := unix.FcntlInt(uintptr(a), unix.F_GETFD, 0); err != nil {
		t.Error("Close closed a watched descriptor")
	}
	if _, err := NewSelectorEventLoop(Options{Selector: "iocp"}); err == nil {
		t.Error("an unknown selector is no error")
	}
}

func BenchmarkCallSoon(b *testing.B) {
	l := newLoop(b, "")
	b.ReportAllocs()
	n := 0
	var step func()
	step = func() {
		if n++; n >= b.N {
			l.Stop()
			return
		}
		l.CallSoon(step)
	}
	l.CallSoon(step)
	run(b, l)
}
