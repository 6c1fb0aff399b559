package selector

import (
	"os"
	"os/signal"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	// As on a kernel before 5.11, or under a filter that refuses the call.
	selectors["epoll without epoll_pwait2"] = func() (Selector, error) {
		s, err := New("epoll")
		if err == nil {
			s.(*epoll).pwait2 = false
		}
		return s, err
	}
}

// TestSignal sends a signal to the waiting thread until the wait ends: the first
// one may come before it has begun.
func TestSignal(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1)
	defer signal.Stop(signals)
	for name, open := range selectors {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			thread := make(chan int)
			done := make(chan bool)
			go func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				defer close(done)
				thread <- unix.Gettid()
				if n, err := s.Select(make([]Event, 1), -1); n != 0 || err != nil {
					t.Errorf("Select gave %d, %v; want 0, nil", n, err)
				}
			}()
			tid := <-thread
			for deadline := time.After(patience); ; {
				if err := unix.Tgkill(os.Getpid(), tid, unix.SIGUSR1); err != nil {
					t.Fatal(err)
				}
				select {
				case <-done:
					return
				case <-deadline:
					t.Fatal("the signal has not ended the wait")
				case <-time.After(time.Millisecond): // between two signals
				}
			}
		})
	}
}
