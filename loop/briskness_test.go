package loop

import (
	"math"
	"testing"
	"time"
)

// TestBriskness: writes are held once a thousand callbacks were short, and no more after a batch that was not.
func TestBriskness(t *testing.T) {
	const us = int64(time.Microsecond)
	for _, test := range []struct {
		name  string
		brisk bool // before
		tell  func(e *Engine)
		holds bool
	}{
		{"a new loop", false, func(e *Engine) {}, false},
		{"999 short ones", false, func(e *Engine) { e.BatchesRan(999, 0, 0) }, false},
		{"1000 short ones", false, func(e *Engine) { e.BatchesRan(1000, 0, 0) }, true},
		{"1000 in pieces", false, func(e *Engine) {
			for range 10 {
				e.BatchesRan(50, 50, 101*us)
			}
		}, true},
		{"nothing", true, func(e *Engine) { e.BatchesRan(0, 0, 0) }, true},
		{"4 callbacks in 500 us", true, func(e *Engine) { e.BatchesRan(0, 4, 500*us) }, true},
		{"4 callbacks in 501 us", true, func(e *Engine) { e.BatchesRan(0, 4, 500*us+1) }, false},
		{"the same, after short ones", true, func(e *Engine) { e.BatchesRan(5000, 4, 500*us+1) }, false},
		{"many in as many times 100 us", true, func(e *Engine) { e.BatchesRan(0, 400, 40_100*us) }, true},
		{"then a thousand short ones", true, func(e *Engine) {
			e.BatchesRan(0, 4, 501*us)
			e.BatchesRan(999, 0, 0)
			e.BatchesRan(1, 0, 0)
		}, true},
		{"more than there is", true, func(e *Engine) { e.BatchesRan(math.MaxInt64, math.MaxInt64/shortCallback, math.MaxInt64) }, true},
	} {
		e := &Engine{}
		if test.brisk {
			e.BatchesRan(5000, 0, 0)
		}
		test.tell(e)
		want := int32(math.MaxInt32)
		if test.holds {
			want = Crowd
		}
		if got := e.HoldFrom(); got != want {
			t.Errorf("%s: writes are held in batches of %d callbacks or more, want %d", test.name, got, want)
		}
	}
}
