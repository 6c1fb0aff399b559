//go:build linux

package main

import "math/bits"

// subBits gives 64 buckets to each power of two: a value is off by 1.6 % at most.
const subBits = 6

// histogram counts durations in logarithmic buckets, as HdrHistogram does. Adding never allocates.
type histogram struct {
	counts [(64-subBits)<<subBits + 1<<subBits]uint64
	total  uint64
	max    int64 // ns, exact
}

// add counts one duration in ns.
func (h *histogram) add(ns int64) {
	if ns < 0 {
		ns = 0
	}
	h.counts[bucket(uint64(ns))]++
	h.total++
	if ns > h.max {
		h.max = ns
	}
}

// bucket maps 0..127 to themselves, and each later power of two to the next 64 buckets.
func bucket(v uint64) int {
	if v < 2<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift<<subBits + int(v>>shift)
}

// upper is the largest value of a bucket.
func upper(i int) int64 {
	if i < 2<<subBits {
		return int64(i)
	}
	shift := i>>subBits - 1
	return int64(i-shift<<subBits+1)<<shift - 1
}

// quantile returns the value in µs below which the share q of the durations lies, 0 when nothing was counted.
func (h *histogram) quantile(q float64) float64 {
	want := uint64(q * float64(h.total))
	var seen uint64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen > want {
			return float64(min(upper(i), h.max)) / 1e3
		}
	}
	return float64(h.max) / 1e3
}

// reset forgets everything.
func (h *histogram) reset() { *h = histogram{} }
