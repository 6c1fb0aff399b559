//go:build unix

package selector

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waited returns how long a Select with nothing ready takes. A signal ends a wait
// early by right, and Go's runtime sends itself some: it is the longest of three.
func waited(t *testing.T, s Selector, timeout time.Duration) time.Duration {
	t.Helper()
	var longest time.Duration
	for range 3 {
		start := time.Now() // monotonic
		n, err := s.Select(make([]Event, 4), timeout)
		longest = max(longest, time.Since(start))
		if n != 0 || err != nil {
			t.Fatalf("Select gave %d, %v", n, err)
		}
		if longest >= timeout {
			break
		}
	}
	return longest
}

func testTimeout(t *testing.T, s Selector) {
	r, _ := pipe(t)
	register(t, s, r, EventRead, 1)
	for _, timeout := range []time.Duration{
		0, 1, 999, time.Microsecond, time.Microsecond + 1, 300*time.Microsecond + 1, time.Millisecond - 1,
		time.Millisecond, time.Millisecond + 1, 2500 * time.Microsecond, 12*time.Millisecond + 345,
	} {
		if got := waited(t, s, timeout); got < timeout {
			t.Errorf("Select(%v) ended after %v", timeout, got)
		}
	}
}

// testBusy: whatever a backend makes of waits that ended at once and of SetQuiet, the
// next waits as long as it should, and misses nothing.
func testBusy(t *testing.T, s Selector) {
	r, w := pipe(t)
	register(t, s, r, EventRead, 1)
	events := make([]Event, 4)
	for _, quiet := range []bool{false, true} {
		s.SetQuiet(quiet)
		if _, err := unix.Write(w, []byte("x")); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if n, err := s.Select(events, time.Hour); n != 1 || err != nil {
				t.Fatalf("Select gave %d, %v for a readable pipe", n, err)
			}
		}
		if _, err := unix.Read(r, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		const timeout = 3 * time.Millisecond
		for range 3 {
			if took := waited(t, s, timeout); took < timeout {
				t.Errorf("a wait of %v took %v (quiet: %v)", timeout, took, quiet)
			}
		}
	}
}

// testLongestTimeout gives what overflows a C int of milliseconds, or a sum.
func testLongestTimeout(t *testing.T, s Selector) {
	for _, timeout := range []time.Duration{
		math.MinInt64, maxWait, maxWait + 1, math.MaxInt32 * time.Millisecond, math.MaxInt64,
	} {
		if err := s.Wake(); err != nil {
			t.Fatal(err)
		}
		if n, err := s.Select(make([]Event, 1), timeout); n != 0 || err != nil {
			t.Errorf("Select(%v) gave %d, %v", timeout, n, err)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for timeout, want := range map[time.Duration]int{
		math.MinInt64: -1, -1: -1, 0: 0, 1: 1,
		time.Millisecond - 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2,
		maxWait: 86_400_000, maxWait + 1: 86_400_000, math.MaxInt64: 86_400_000,
	} {
		if got := milliseconds(timeout); got != want {
			t.Errorf("milliseconds(%v) = %d, want %d", timeout, got, want)
		}
	}
}

func TestTimeval(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		0: 0, 1: time.Microsecond, 999: time.Microsecond, time.Microsecond: time.Microsecond,
		time.Second + 1: time.Second + time.Microsecond, maxWait: maxWait, math.MaxInt64: maxWait,
	} {
		got := timeval(timeout)
		if got.Nano() != int64(want) {
			t.Errorf("timeval(%v) = %+v, want %v", timeout, got, want)
		}
	}
}

// settle fails unless the wake-ups so far are spent: a wait must last again.
func settle(t *testing.T, s Selector) {
	t.Helper()
	const timeout = 5 * time.Millisecond
	if got := waited(t, s, timeout); got < timeout {
		t.Fatalf("a spent wake-up ends Select(%v) after %v", timeout, got)
	}
}

func testWakeBefore(t *testing.T, s Selector) {
	for range 3 {
		if err := s.Wake(); err != nil {
			t.Fatal(err)
		}
		await(t, s)
		settle(t, s)
	}
}

func testWakeDuring(t *testing.T, s Selector) {
	woken := make(chan error)
	for range 3 {
		// The time is for Select to be waiting by then; either order must pass.
		time.AfterFunc(3*time.Millisecond, func() { woken <- s.Wake() })
		if n, err := s.Select(make([]Event, 1), -1); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if err := <-woken; err != nil {
			t.Fatal(err)
		}
	}
}

// testWakeByTurns hands a turn to a goroutine, which wakes the selector at once:
// most wake-ups meet the beginning of the wait. A lost one would hang the test.
func testWakeByTurns(t *testing.T, s Selector) {
	const rounds = 500
	turn := make(chan int)
	var mu sync.Mutex // guards answered
	var answered int
	go func() {
		for i := range turn {
			mu.Lock()
			answered = i
			mu.Unlock()
			_ = s.Wake()
		}
	}()
	defer close(turn)
	for i := 1; i <= rounds; i++ {
		turn <- i
		for done := false; !done; {
			if n, err := s.Select(make([]Event, 1), -1); n != 0 || err != nil {
				t.Fatal(n, err)
			}
			mu.Lock()
			done = answered == i
			mu.Unlock()
		}
	}
}

func testManyWakes(t *testing.T, s Selector) {
	const goroutines, wakes = 4, 5000 // 160 kB: more than a pipe holds
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range wakes {
				if err := s.Wake(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	await(t, s)
	settle(t, s)
}

func testWakeBesideEvents(t *testing.T, s Selector) {
	r, w := pipe(t)
	register(t, s, r, EventRead, 1)
	write(t, w)
	if err := s.Wake(); err != nil {
		t.Fatal(err)
	}
	events := make([]Event, 1) // too small for a wake-up that took a place
	for range 3 {
		n, err := s.Select(events, patience)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 && events[0] != (Event{int32(r), 1, EventRead}) {
			t.Fatalf("Select gave %+v", events[0])
		}
	}
	empty(t, r)
	settle(t, s)
}

func testWakeFd(t *testing.T, s Selector) {
	word := make([]byte, 8)
	binary.NativeEndian.PutUint64(word, 1)
	for range 3 {
		if n, err := unix.Write(s.WakeFd(), word); n != 8 || err != nil {
			t.Fatal(n, err)
		}
	}
	await(t, s)
	settle(t, s)
	flags, err := unix.FcntlInt(uintptr(s.WakeFd()), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("flags %#x, %v; want O_NONBLOCK", flags, err)
	}
	flags, err = unix.FcntlInt(uintptr(s.WakeFd()), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v; want FD_CLOEXEC", flags, err)
	}
}

// testWakeAgainstClose closes while others wake, and reads what they would have
// written to the numbers that Close has set free.
func testWakeAgainstClose(t *testing.T, s Selector) {
	started := make(chan bool, 2)
	var wg sync.WaitGroup
	for range cap(started) {
		wg.Go(func() {
			for i := 0; ; i++ {
				switch err := s.Wake(); {
				case errors.Is(err, ErrClosed):
					return
				case err != nil:
					t.Error(err)
					return
				}
				if i == 0 {
					started <- true
				}
			}
		})
	}
	for range cap(started) {
		<-started
	}
	number := s.WakeFd()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	r, w := pipe(t)
	if w != number {
		duplicate(t, w, number)
	}
	wg.Wait()
	if n, err := unix.Read(r, make([]byte, 8)); err != unix.EAGAIN {
		t.Errorf("a wake-up after Close wrote %d bytes to another file (%v)", n, err)
	}
}

// testCollector runs the collector, which must stop every goroutine, while one
// waits without limit. A wait that the scheduler does not know of would be ended
// by a signal each time, or hold up the collector for ever.
func testCollector(t *testing.T, s Selector) {
	const collections = 20
	var woken atomic.Bool
	waiting := make(chan bool)
	done := make(chan error)
	ended := 0
	go func() {
		close(waiting)
		for {
			_, err := s.Select(make([]Event, 1), -1)
			if err != nil || woken.Load() {
				done <- err
				return
			}
			ended++
		}
	}()
	<-waiting
	for range collections {
		runtime.GC()
	}
	woken.Store(true)
	if err := s.Wake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if ended > collections/2 {
		t.Errorf("%d collections ended %d waits", collections, ended)
	}
}

func testAllocations(t *testing.T, s Selector) {
	r, w := pipe(t)
	idle, _ := pipe(t)
	register(t, s, idle, EventRead, 1)
	register(t, s, r, EventRead, 1)
	events := make([]Event, 100)
	measure := func(name string, timeout time.Duration) {
		t.Helper()
		got := testing.AllocsPerRun(50, func() {
			if _, err := s.Select(events, timeout); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations a Select, want 0", name, got)
		}
	}
	measure("nothing ready", 0)
	measure("a timeout", 20*time.Microsecond)
	write(t, w)
	measure("one ready", 0)
	measure("one ready, wait", -1)
	measure("one ready, timeout", time.Millisecond+1)
	got := testing.AllocsPerRun(50, func() {
		if err := s.Wake(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Select(events, 0); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations a Wake, want 0", got)
	}
}
