package loop

import (
	"math"
	"syscall"
)

// The limits of a transport's write buffer, in bytes: with more than HighWater waiting it pauses its protocol, which
// resumes when LowWater or less are left. Both are asyncio's.
const (
	HighWater = 64 << 10
	LowWater  = HighWater / 4
)

// WriteBufferLimits are the arguments of asyncio's set_write_buffer_limits().
type WriteBufferLimits struct {
	High, Low       float64 // bytes
	HasHigh, HasLow bool    // false is None
}

// Set fills in what is None, a low limit that is a quarter of the high one or a high limit four times the low
// one, and returns both in bytes: a limit that is beyond what counts bytes is one that no buffer reaches. Error: EINVAL
// unless High >= Low >= 0.
func (w *WriteBufferLimits) Set() (high, low int64, err error) {
	switch {
	case !w.HasHigh && !w.HasLow:
		w.High, w.Low = HighWater, LowWater
	case !w.HasHigh:
		w.High = 4 * w.Low
	case !w.HasLow:
		w.Low = math.Floor(w.High / 4)
	}
	if !(w.High >= w.Low && w.Low >= 0) { // of what is no number, too
		return 0, 0, syscall.EINVAL
	}
	return bytesOf(w.High), bytesOf(w.Low), nil
}

func bytesOf(limit float64) int64 {
	if limit < 9e18 {
		return int64(limit)
	}
	return math.MaxInt64
}
