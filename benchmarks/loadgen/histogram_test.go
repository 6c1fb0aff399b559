//go:build linux

package main

import (
	"math"
	"testing"
)

// TestBuckets: neighbours touch, every value lies in its bucket, and no value is off by more than 1/64.
func TestBuckets(t *testing.T) {
	var h histogram
	for i := 1; i < len(h.counts)-1; i++ {
		if upper(i) == math.MaxInt64 || upper(i) < 0 {
			break
		}
		if bucket(uint64(upper(i))) != i || bucket(uint64(upper(i))+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which does not round-trip", i, upper(i))
		}
		if low := upper(i-1) + 1; float64(upper(i)-low) > float64(low)/64 {
			t.Fatalf("bucket %d spans %d..%d", i, low, upper(i))
		}
	}
}

func TestQuantile(t *testing.T) {
	var h histogram
	for ns := int64(1); ns <= 100_000; ns++ {
		h.add(ns)
	}
	for q, want := range map[float64]float64{0.5: 50, 0.9: 90, 0.99: 99, 0.999: 99.9} {
		if got := h.quantile(q); math.Abs(got-want)/want > 0.017 {
			t.Errorf("quantile(%v) = %v µs, want %v", q, got, want)
		}
	}
	if got := h.quantile(1); got != 100 {
		t.Errorf("the largest is %v µs, want 100", got)
	}
}

func TestQuantileOfNothing(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %v", got)
	}
}
