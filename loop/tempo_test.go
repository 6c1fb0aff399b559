package loop

import "testing"

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
