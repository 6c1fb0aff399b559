package loop

import (
	"testing"
	"time"
)

// What is read after the selector has told of it is the engine's work, not its waiting.
func TestWaitEndsWithTheSelector(t *testing.T) {
	const length = 50 * time.Millisecond
	if !measured {
		t.Skip("counts nothing")
	}
	r := newRig(t, "", settings{})
	a, b := socketPair(t)
	read, waits := false, false
	if err := r.AddSource(a, 1, sourceFunc(func(e *Engine) {
		read, waits = true, e.IsWaiting()
		time.Sleep(length)
		e.RemoveSource(a, 1)
	})); err != nil {
		t.Fatal(err)
	}
	for range timed { // the next one's time is taken
		r.turn(TurnPoll)
	}
	put(t, b, []byte("x"))
	began := time.Now()
	for !read {
		r.turn(TurnWait)
	}
	all := time.Since(began)
	o, _ := r.Observe(false)
	if waits {
		t.Error("it waits while it reads")
	}
	if o.Meters.Waiting > all-length {
		t.Errorf("has waited for %v of %v", o.Meters.Waiting, all)
	}
	if o.Meters.Engine < timed*length {
		t.Errorf("%v in the engine, of which each %dth turn is taken", o.Meters.Engine, timed)
	}
}

// sleep takes turns until a timer has fired.
func (r *rig) sleep(length time.Duration) {
	r.t.Helper()
	r.submit(Submission{Op: OpTimerAdd, Len: r.Now() + int64(length)})
	fired := r.Stats().TimersFired
	r.until(func() bool { return r.Stats().TimersFired > fired })
}

// eachTick runs a test with the processor's counter, where there is one, and with the clock in its place.
func eachTick(t *testing.T, test func(t *testing.T, r *rig)) {
	if !measured {
		t.Skip("counts nothing")
	}
	for _, counts := range []bool{true, false} {
		t.Run(map[bool]string{true: "counter", false: "clock"}[counts], func(t *testing.T) {
			if counts && !processClock().counts {
				t.Skip("the kernel's clock is made of something else")
			}
			r := newRig(t, "", settings{})
			r.clock.counts = counts
			r.meters.sinceTick, r.meters.since = r.clock.tick(), r.clock.now()
			test(t, r)
		})
	}
}

func (r *rig) waited() time.Duration {
	o, _ := r.Observe(false)
	return o.Meters.Waiting
}

// Of a busy engine as of a quiet one, waits are what their sum is.
func TestWaitingIsTheSumOfWaits(t *testing.T) {
	eachTick(t, func(t *testing.T, r *rig) {
		const short, turns = time.Millisecond, 3*timed + 3
		began := time.Now()
		for range turns {
			r.sleep(short)
		}
		if got := r.waited(); got < turns*short*95/100 || got > time.Since(began) {
			t.Errorf("%d waits of %v: %v of %v", turns, short, got, time.Since(began))
		}
	})
}

// Whichever turn it comes in, a wait that is long to a user counts once, also while it lasts.
func TestLongWaitBehindABurstCountsOnce(t *testing.T) {
	eachTick(t, func(t *testing.T, r *rig) {
		const short, long = 10 * time.Microsecond, 3 * time.Millisecond
		for n := range timed + 2 { // of waits, one more each time
			for range 2*busyAfter + n {
				r.sleep(short)
			}
			before, began := r.waited(), time.Now()
			seen := make(chan time.Duration, 1)
			go func() {
				var grown time.Duration
				for grown < long/2 && time.Since(began) < 10*long {
					time.Sleep(time.Millisecond / 2)
					grown = r.waited() - before
				}
				seen <- min(grown, time.Since(began)+grown/100)
			}()
			r.sleep(long)
			during, took := <-seen, time.Since(began)
			if got := r.waited() - before; got < long*95/100 || got > took*101/100 || during < long/2 || during > took*101/100 {
				t.Errorf("behind %d: a wait of %v counts as %v of %v, and %v while it lasts", 2*busyAfter+n, long, got, took, during)
			}
		}
	})
}

// Work is no wait, however long it is.
func TestWorkBetweenWaitsIsNone(t *testing.T) {
	eachTick(t, func(t *testing.T, r *rig) {
		const length = 200 * time.Microsecond
		began, worked := time.Now(), time.Duration(0)
		for range 3 * timed {
			r.sleep(length)
			from := time.Now()
			for time.Since(from) < length {
			}
			worked += time.Since(from)
		}
		if got, most := r.waited(), time.Since(began)-worked; got > most {
			t.Errorf("has waited for %v of %v", got, most)
		}
	})
}

// What it tells never falls, and is never more than there was, whenever it is read.
func TestWaitingNeverFalls(t *testing.T) {
	eachTick(t, func(t *testing.T, r *rig) {
		began := r.clock.now()
		done := make(chan int)
		stop := make(chan struct{})
		go func() {
			looks := 0
			for last := time.Duration(0); ; looks++ {
				select {
				case <-stop:
					done <- looks
					return
				default:
				}
				got := r.waited()
				if age := time.Duration(r.clock.now() - began); got < last || got > age*101/100+time.Millisecond {
					t.Errorf("%v, then %v of %v", last, got, age)
				}
				last = got
			}
		}()
		for range 20 * timed {
			r.sleep(20 * time.Microsecond)
		}
		close(stop)
		if looks := <-done; looks < 10 {
			t.Errorf("looked %d times", looks)
		}
	})
}

// A counter that begins anew, or that stands, makes one stretch wrong, by no more than its length.
func TestCounterThatBeginsAnew(t *testing.T) {
	const second = int64(time.Second)
	m := Meters{sinceTick: 5000, since: second, waited: 800}
	m.settle(100, 2*second)
	if m.Waiting != 0 || m.waited != 0 {
		t.Errorf("%v, and %d ticks", m.Waiting, m.waited)
	}
	m.waited = 750
	m.settle(1100, 3*second)
	if m.Waiting != 750*time.Millisecond {
		t.Errorf("three quarters of a second: %v", m.Waiting)
	}
	m.waited = 1 << 60
	m.settle(1200, 4*second)
	if m.Waiting != 1750*time.Millisecond {
		t.Errorf("a second more: %v", m.Waiting)
	}
	m.waited = -50
	m.settle(1200, 5*second)
	if m.Waiting != 1750*time.Millisecond {
		t.Errorf("nothing more: %v", m.Waiting)
	}
}
