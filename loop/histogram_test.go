package loop

import (
	"math"
	"testing"
	"time"
)

func TestEachTimeLiesBelowItsPlacesBoundAndNotBelowTheOneBefore(t *testing.T) {
	last := Below(Places - 2)
	for _, d := range []time.Duration{-1, 0, 1, 1023, 1024, 1279, 1280, 2047, 2048, 1e6, 1e9, 7e9, 60e9, last - 1, last, math.MaxInt64 - 1} {
		place := placeOf(d)
		if d >= Below(place) {
			t.Errorf("%d is in place %d, which ends at %d", d, place, Below(place))
		}
		if place > 0 && d < Below(place-1) {
			t.Errorf("%d is in place %d, which begins at %d", d, place, Below(place-1))
		}
	}
}

func TestPlacesGrow(t *testing.T) {
	for place := 1; place < Places-1; place++ {
		if grows := float64(Below(place)) / float64(Below(place-1)); grows < 1.1 || grows > 1.26 {
			t.Errorf("place %d is %.2f times as long as the one before", place, grows)
		}
	}
	if last := Below(Places - 2); last < time.Minute {
		t.Errorf("the last but one ends at %v", last)
	}
}

func TestQuantile(t *testing.T) {
	var h Histogram
	if h.Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
	for range 99 {
		h.Add(5 * time.Microsecond)
	}
	h.Add(time.Second)
	h.Add(-1)
	if got := h.Quantile(0.5); got < 5*time.Microsecond || got > 7*time.Microsecond {
		t.Errorf("the median is %v", got)
	}
	if got := h.Quantile(0.999); got < time.Second || got > 1300*time.Millisecond {
		t.Errorf("the 99.9th percentile is %v", got)
	}
	if h.Total() != 101 || h.Sum != time.Second+99*5*time.Microsecond {
		t.Errorf("%d of %v", h.Total(), h.Sum)
	}
}
