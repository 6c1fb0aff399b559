//go:build unix

package loop

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

func TestThreadsafe(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		const threads, calls = 4, 500
		var threadsDone sync.WaitGroup
		last := [threads]int{}
		total := 0
		for thread := range threads {
			threadsDone.Go(func() {
				for i := 1; i <= calls; i++ {
					if _, err := l.CallSoonThreadsafe(func() {
						if last[thread]++; last[thread] != i {
							t.Errorf("call %d of thread %d came as %d", i, thread, last[thread])
						}
						if total++; total == threads*calls {
							l.Stop()
						}
					}); err != nil {
						t.Error(err)
					}
					_ = l.IsRunning()
					_ = l.Time()
				}
			})
		}
		run(t, l)
		threadsDone.Wait()
	})
}

// TestThreadsafeWakes: each call finds a loop that waits, or is about to.
func TestThreadsafeWakes(t *testing.T) {
	loopsOnEveryBackend(t, func(t *testing.T, l *SelectorEventLoop) {
		const calls = 300
		var done sync.WaitGroup
		ran := make(chan struct{})
		done.Go(func() {
			for range calls {
				if _, err := l.CallSoonThreadsafe(func() { ran <- struct{}{} }); err != nil {
					t.Error(err)
				}
				<-ran
			}
			_, _ = l.CallSoonThreadsafe(l.Stop)
		})
		run(t, l)
		done.Wait()
		if n := l.engine.Stats().Turns; n > 5*calls {
			t.Errorf("%d turns for %d calls", n, calls)
		}
	})
}

func TestThreadsafeAgainstClose(t *testing.T) {
	for range 50 {
		l, err := NewSelectorEventLoop(Options{Selector: os.Getenv("GOLOOP_SELECTOR")})
		if err != nil {
			t.Fatal(err)
		}
		var others sync.WaitGroup
		var refused atomic.Int32
		for range 2 {
			others.Go(func() {
				for {
					if _, err := l.CallSoonThreadsafe(l.Stop); errors.Is(err, ErrClosed) {
						refused.Add(1)
						return
					} else if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		run(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		others.Wait()
		if refused.Load() != 2 {
			t.Error("a closed loop took a callback")
		}
	}
}
