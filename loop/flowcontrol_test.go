package loop

import (
	"math"
	"syscall"
	"testing"
)

// TestWriteBufferLimits: what asyncio's _FlowControlMixin makes of high and low.
func TestWriteBufferLimits(t *testing.T) {
	none := math.Copysign(0, -1)
	given := func(limit float64) bool { return limit != 0 || !math.Signbit(limit) }
	for _, test := range []struct {
		high, low           float64
		wantHigh, wantLow   int64
		shownHigh, shownLow float64
		err                 error
	}{
		{none, none, 65536, 16384, 65536, 16384, nil},
		{1000, none, 1000, 250, 1000, 250, nil},
		{1003, none, 1003, 250, 1003, 250, nil},
		{none, 1000, 4000, 1000, 4000, 1000, nil},
		{0, none, 0, 0, 0, 0, nil},
		{none, 0, 0, 0, 0, 0, nil},
		{0, 0, 0, 0, 0, 0, nil},
		{20, 10, 20, 10, 20, 10, nil},
		{10, 10, 10, 10, 10, 10, nil},
		{2.5, none, 2, 0, 2.5, 0, nil},
		{1 << 62, none, 1 << 62, 1 << 60, 1 << 62, 1 << 60, nil},
		{1e30, none, math.MaxInt64, math.MaxInt64, 1e30, math.Floor(1e30 / 4), nil},
		{math.Inf(1), 5, math.MaxInt64, 5, math.Inf(1), 5, nil},
		{none, math.Inf(1), math.MaxInt64, math.MaxInt64, math.Inf(1), math.Inf(1), nil},
		{5, 10, 0, 0, 5, 10, syscall.EINVAL},
		{-1, none, 0, 0, -1, -1, syscall.EINVAL},
		{none, -1, 0, 0, -4, -1, syscall.EINVAL},
		{5, -1, 0, 0, 5, -1, syscall.EINVAL},
		{math.NaN(), 5, 0, 0, math.NaN(), 5, syscall.EINVAL},
		{5, math.NaN(), 0, 0, 5, math.NaN(), syscall.EINVAL},
		{math.NaN(), none, 0, 0, math.NaN(), math.NaN(), syscall.EINVAL},
	} {
		w := WriteBufferLimits{High: test.high, Low: test.low, HasHigh: given(test.high), HasLow: given(test.low)}
		high, low, err := w.Set()
		if high != test.wantHigh || low != test.wantLow || err != test.err {
			t.Errorf("high %v, low %v: %d, %d, %v, want %d, %d, %v", test.high, test.low, high, low, err, test.wantHigh, test.wantLow, test.err)
		}
		if !same(w.High, test.shownHigh) || !same(w.Low, test.shownLow) {
			t.Errorf("high %v, low %v are shown as %v, %v, want %v, %v", test.high, test.low, w.High, w.Low, test.shownHigh, test.shownLow)
		}
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
