package watchdog

import (
	"encoding/json"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goloop/control/asking"
	"goloop/control/loops"
	"goloop/loop"
)

// fake is a loop that goes on, or stands still, as a test says.
type fake struct {
	id    int64
	phase atomic.Uint32
	ran   atomic.Uint64
	gone  atomic.Bool
}

func (f *fake) ID() int64        { return f.id }
func (f *fake) Selector() string { return "fake" }
func (f *fake) Pulse() (loops.Pulse, bool) {
	return loops.Pulse{Phase: f.phase.Load(), Ran: f.ran.Load(), Native: int32(os.Getpid())}, !f.gone.Load()
}
func (f *fake) Observe(bool) (loop.Observation, bool) { return loop.Observation{}, true }

var last atomic.Int64

const threshold = 30 * time.Millisecond

// watched is a fake that a watchdog watches, and what it tells. When it tells of an end, the loop is not held any more.
func watched(t *testing.T) (*fake, *Watchdog, chan Stall) {
	t.Helper()
	f := &fake{id: last.Add(1)}
	loops.Opened(f)
	t.Cleanup(func() { loops.Closed(f) })
	w := New(&asking.Desk{}, &asking.Tracer{})
	told := make(chan Stall, 1000)
	w.Watch(threshold, func(s *Stall) {
		if s.Loop == f.id {
			if held := w.Held()[f.id]; s.Event == "ended" && held != 0 {
				t.Errorf("its end is told while it is held for %v", held)
			}
			told <- *s
		}
	})
	t.Cleanup(w.Stop)
	return f, w, told
}

func next(t *testing.T, told chan Stall) Stall {
	t.Helper()
	select {
	case s := <-told:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
		return Stall{}
	}
}

func TestStallIsToldWhileItLastsAndWhenItEnds(t *testing.T) {
	f, w, told := watched(t)
	f.phase.Store(loop.PhasePython)
	s := next(t, told)
	if s.Event != "stalled" || s.State != StateNative || s.Seconds < threshold.Seconds() {
		t.Errorf("while it lasts: %+v", s)
	}
	if all := w.Stalls(); len(all) != 1 || all[0].Event != "stalled" {
		t.Errorf("it is not listed: %+v", all)
	}
	if held := w.Held()[f.id]; held < threshold {
		t.Errorf("it is held for %v", held)
	}
	f.ran.Add(1)
	end := next(t, told)
	if end.Event != "ended" || end.Seconds < s.Seconds {
		t.Errorf("at its end: %+v", end)
	}
}

func TestStatesByPhase(t *testing.T) {
	for phase, state := range map[uint32]string{loop.PhaseGIL: StateGIL, loop.PhaseEngine: StateEngine} {
		f, _, told := watched(t)
		f.phase.Store(phase)
		if s := next(t, told); s.State != state {
			t.Errorf("phase %d is %q", phase, s.State)
		}
	}
}

func TestLoopThatWaitsOrGoesOnIsNoStall(t *testing.T) {
	idle, _, told := watched(t)
	idle.phase.Store(loop.PhaseWaiting)
	busy, _, toldOfBusy := watched(t)
	busy.phase.Store(loop.PhasePython)
	for range 60 {
		busy.ran.Add(1)
		time.Sleep(5 * time.Millisecond)
	}
	if len(told) != 0 || len(toldOfBusy) > 0 && (<-toldOfBusy).Seconds < threshold.Seconds() {
		t.Error("a loop that waits, or goes on, was told of")
	}
}

func TestLoopThatIsClosedWhileItIsHeldHasEnded(t *testing.T) {
	f, w, told := watched(t)
	f.phase.Store(loop.PhasePython)
	next(t, told)
	f.gone.Store(true)
	if s := next(t, told); s.Event != "ended" {
		t.Errorf("told %+v", s)
	}
	if held := w.Held(); len(held) != 0 {
		t.Errorf("held: %v", held)
	}
}

func TestReportsAreLimited(t *testing.T) {
	l := limiter{tokens: burst, last: time.Now()}
	var through, suppressed int
	for range 100 {
		var s Stall
		if l.allows(&s) {
			through++
		}
	}
	l.last = l.last.Add(-time.Second)
	var s Stall
	if l.allows(&s) {
		suppressed = s.Suppressed
	}
	if through != burst || suppressed != 100-burst {
		t.Errorf("%d came through, and then one that tells of %d", through, suppressed)
	}
}

func TestFollowKnowsWithoutTelling(t *testing.T) {
	f := &fake{id: last.Add(1)}
	f.phase.Store(loop.PhasePython)
	loops.Opened(f)
	defer loops.Closed(f)
	w := New(&asking.Desk{}, &asking.Tracer{})
	w.Follow()
	defer w.Unfollow()
	for until := time.Now().Add(10 * time.Second); w.Held()[f.id] == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it is not known")
		}
	}
}

func TestLineIsASentenceAndJSON(t *testing.T) {
	s := Stall{Event: "stalled", Loop: 7, Seconds: 0.256, State: StatePython, Where: "a.py:3 <lambda>", Task: "Task-1\nmain", Stack: []string{"a.py:3 <lambda>"}}
	line := s.Line()
	sentence, text, _ := strings.Cut(line, " {")
	if want := "goloop: loop 7 has been held for 0.26 s by a.py:3 <lambda>, in Python, or in a call that has let go of the GIL, in task Task-1 main"; sentence != want {
		t.Errorf("it says %q", sentence)
	}
	var back Stall
	if err := json.Unmarshal([]byte("{"+text), &back); err != nil || back.Task != s.Task || strings.Contains(line, "\n") {
		t.Errorf("%v: %q", err, line)
	}
}

func TestSettleTellsOfAnEndAtOnce(t *testing.T) {
	f, w, told := watched(t)
	w.Watch(10*threshold, func(s *Stall) { told <- *s })
	f.phase.Store(loop.PhasePython)
	next(t, told)
	f.ran.Add(1)
	w.Settle()
	select {
	case s := <-told:
		if s.Event != "ended" {
			t.Errorf("told %+v", s)
		}
	default:
		t.Error("nothing was told")
	}
}
