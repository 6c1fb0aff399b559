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

// sleep takes turns until a timer has fired.
func (r *rig) sleep(length time.Duration) {
	r.t.Helper()
	r.submit(Submission{Op: OpTimerAdd, Generation: 1, Len: r.Now() + int64(length)})
	fired := r.Stats().TimersFired
	r.until(func() bool { return r.Stats().TimersFired > fired })
}

// A busy engine's wait stands for those before it, a quiet one's for itself.
func TestWaitingIsEstimated(t *testing.T) {
	const short, turns = time.Millisecond, 10 * timed
	if !measured {
		t.Skip("counts nothing")
	}
	r := newRig(t, "", settings{})
	for range turns {
		r.sleep(short)
	}
	o, _ := r.Observe(false)
	if least := (turns - 2*timed) * short; o.Meters.Waiting < least {
		t.Errorf("%d waits of %v: %v", turns, short, o.Meters.Waiting)
	}
	r.sleep(2 * time.Duration(quietAfter)) // quiet from here on
	before, began := r.meters.Waiting, time.Now()
	r.sleep(2 * time.Duration(quietAfter))
	if took := r.meters.Waiting - before; took < time.Duration(quietAfter) || took > time.Since(began) {
		t.Errorf("a quiet wait of %v counts as %v", time.Since(began), took)
	}
}

// While it lasts, a wait counts for itself, whatever it will have stood for.
func TestWaitThatLastsCountsForItself(t *testing.T) {
	if !measured {
		t.Skip("counts nothing")
	}
	r := newRig(t, "", settings{})
	for range 2*busyAfter + timed {
		r.sleep(10 * time.Microsecond)
	}
	m := &r.meters
	m.share, m.waitFrom = timed, r.clock.now()-int64(time.Second)
	before := m.Waiting
	o, _ := r.Observe(false)
	if grown := o.Meters.Waiting - before; grown < time.Second || grown > 2*time.Second {
		t.Errorf("a wait of a second counts as %v", grown)
	}
}
