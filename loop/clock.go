package loop

import (
	"math"
	"sync"
	_ "unsafe" // go:linkname

	"goloop/internal/sys"
)

// nanotime is the runtime's clock, which time.Since reads by three more calls; kept for others under go.dev/issue/67401.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64

// clock reads CLOCK_MONOTONIC through Go's runtime, which does so without a
// system call. The offset is measured as a lower bound, so a timer is late by
// less than a microsecond and never early.
type clock struct {
	offset int64
	counts bool // tick reads the processor's counter
}

// processClock measures once: the offset is the same for every engine.
var processClock = sync.OnceValue(newClock)

func newClock() clock {
	c := clock{math.MinInt64, counts()}
	for range 16 {
		absolute := sys.Monotonic()
		c.offset = max(c.offset, absolute-nanotime())
	}
	return c
}

func (c *clock) now() int64 { return nanotime() + c.offset }

// tick is of the processor's counter where that may be used, else of the clock.
func (c *clock) tick() int64 {
	if c.counts {
		return counter()
	}
	return nanotime()
}
