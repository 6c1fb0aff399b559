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
	var phase uint32
	if err := r.AddSource(a, 1, sourceFunc(func(e *Engine) {
		phase = *e.phase
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
	for phase == PhaseIdle {
		r.turn(TurnWait)
	}
	all := time.Since(began)
	o, _ := r.Observe(false)
	if phase != PhaseEngine {
		t.Errorf("phase %d while it reads", phase)
	}
	if o.Meters.Waiting > all-length {
		t.Errorf("has waited for %v of %v", o.Meters.Waiting, all)
	}
	if o.Meters.Engine < timed*length {
		t.Errorf("%v in the engine, of which each %dth turn is taken", o.Meters.Engine, timed)
	}
}

// A busy engine's wait stands for those before it, a quiet one's for itself.
func TestWaitingIsEstimated(t *testing.T) {
	const short, turns = time.Millisecond, 10 * timed
	if !measured {
		t.Skip("counts nothing")
	}
	r := newRig(t, "", settings{})
	wait := func(length time.Duration) {
		r.submit(Submission{Op: OpTimerAdd, Generation: 1, Len: r.Now() + int64(length)})
		fired := r.Stats().TimersFired
		r.until(func() bool { return r.Stats().TimersFired > fired })
	}
	for range turns {
		wait(short)
	}
	o, _ := r.Observe(false)
	if least := (turns - 2*timed) * short; o.Meters.Waiting < least {
		t.Errorf("%d waits of %v: %v", turns, short, o.Meters.Waiting)
	}
	wait(2 * time.Duration(quietAfter)) // quiet from here on
	before, began := r.meters.Waiting, time.Now()
	wait(2 * time.Duration(quietAfter))
	if took := r.meters.Waiting - before; took < time.Duration(quietAfter) || took > time.Since(began) {
		t.Errorf("a quiet wait of %v counts as %v", time.Since(began), took)
	}
}

// Whichever turn it comes in, the long wait behind a burst counts once, also while it lasts.
func TestLongWaitBehindABurstCountsOnce(t *testing.T) {
	const short, long = 10 * time.Microsecond, 3 * time.Duration(quietAfter)
	if !measured {
		t.Skip("counts nothing")
	}
	r := newRig(t, "", settings{})
	wait := func(length time.Duration) {
		r.submit(Submission{Op: OpTimerAdd, Generation: 1, Len: r.Now() + int64(length)})
		fired := r.Stats().TimersFired
		r.until(func() bool { return r.Stats().TimersFired > fired })
	}
	for n := range timed + 2 { // of waits, one more each time
		for range 2*busyAfter + n {
			wait(short)
		}
		before, began := r.meters.Waiting, time.Now()
		seen := make(chan time.Duration, 1)
		go func() {
			for {
				o, _ := r.Observe(false)
				if grown := o.Meters.Waiting - before; grown > time.Duration(quietAfter) || time.Since(began) > 10*long {
					seen <- grown
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		wait(long)
		grown := <-seen
		took := r.meters.Waiting - before
		if most := time.Since(began) * 101 / 100; took < long*9/10 || took > most || grown < time.Duration(quietAfter) || grown > most {
			t.Errorf("behind %d: a wait of %v counts as %v, and %v while it lasts", 2*busyAfter+n, long, took, grown)
		}
	}
}
