package loop

import (
	"math"
	"time"
)

// Places of a Histogram.
const Places = 112

// Histogram counts times by how long they are: four places to a doubling, from 1.024 µs to more than a minute, so that
// what is read from it is right to a fifth. The first place has what is shorter, the last what is longer.
type Histogram struct {
	Counts [Places]uint64
	Sum    time.Duration
}

// Add counts one time; one below zero counts as zero.
func (h *Histogram) Add(d time.Duration) {
	h.Counts[placeOf(d)]++
	h.Sum += max(d, 0)
}

// Merge adds what another has counted.
func (h *Histogram) Merge(o *Histogram) {
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.Sum += o.Sum
}

// placeOf reads it off a float, whose exponent counts the doublings, and the first two bits of its fraction the quarters.
func placeOf(d time.Duration) int {
	const before = (1023+10)<<2 - 1 // the float's bits of 1024 ns are those of place 1
	return min(max(int(int64(math.Float64bits(float64(d)))>>50)-before, 0), Places-1)
}

// Below is the time that no time of a place reaches; math.MaxInt64 for the last.
func Below(place int) time.Duration {
	if place >= Places-1 {
		return math.MaxInt64
	}
	step := place % 4
	return time.Duration((4 + step) << (8 + place/4))
}

// Total is how many times were counted.
func (h *Histogram) Total() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Quantile is the least bound below which a share q of the times lies; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(h.Total())))
	var seen uint64
	for i, c := range h.Counts {
		if seen += c; c > 0 && seen >= rank {
			return Below(i)
		}
	}
	return 0
}
