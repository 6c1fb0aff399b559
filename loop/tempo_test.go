package loop

import (
	"slices"
	"testing"
	"time"

	"goloop/selector"
)

func TestTempo(t *testing.T) {
	const soon, late = quietAfter, quietAfter + 1
	var tempo tempo
	now := int64(1) << 60
	waits := func(n int, distance int64) (changes int) {
		for range n {
			now += distance
			if tempo.ended(now) {
				changes++
			}
		}
		return changes
	}
	for i, step := range []struct {
		waits    int
		distance int64
		changes  int
		quiet    bool
	}{
		{1, late, 0, true},
		{busyAfter - 1, soon, 0, true},
		{1, late, 0, true}, // begins to count anew
		{busyAfter - 1, soon, 0, true},
		{1, soon, 1, false},
		{100, soon, 0, false},
		{1, late, 1, true},
		{busyAfter - 1, soon, 0, true},
		{1, soon, 1, false},
	} {
		if changes := waits(step.waits, step.distance); changes != step.changes || tempo.quiet() != step.quiet {
			t.Errorf("step %d: %d changes, then quiet: %v", i, changes, tempo.quiet())
		}
	}
}

// Of waits alone, of a loop that is quiet: one whose timers are due at each turn has not waited, and who tells a scheduler of it must not
// take it for one that has.
func TestParkedAfterTheWaitOfAQuietLoop(t *testing.T) {
	for _, backend := range []string{"epoll", "poll"} {
		if !slices.Contains(selector.Backends(), backend) {
			continue
		}
		r := newRig(t, backend, settings{})
		parks := backend == "epoll"
		wait := func(length time.Duration) bool {
			r.submit(Submission{Op: OpTimerAdd, Len: r.Now() + int64(length)})
			r.turn(TurnWait)
			return r.Parked()
		}
		if r.Parked() {
			t.Errorf("%s: it has parked before its first turn", backend)
		}
		if got := wait(time.Millisecond); got != parks {
			t.Errorf("%s: after a wait it has parked: %v", backend, got)
		}
		if wait(0) {
			t.Errorf("%s: with a timer that was due it has parked", backend)
		}
		r.turn(TurnPoll)
		if r.Parked() {
			t.Errorf("%s: it has parked without a wait", backend)
		}
		for range 3 * busyAfter {
			wait(time.Microsecond)
		}
		if r.tempo.quiet() {
			continue // the machine was slow
		}
		if wait(time.Millisecond) {
			t.Errorf("%s: a busy one has parked", backend)
		}
	}
}
