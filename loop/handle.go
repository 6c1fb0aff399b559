package loop

import "time"

// Handle is a callback that CallSoon or its kin have scheduled, as
// asyncio.Handle. Its methods belong to the loop's goroutine.
type Handle struct {
	callback  func() // nil once cancelled
	cancelled bool
}

// Cancel keeps the callback from being called. A second Cancel, or one after the
// call, does nothing.
func (h *Handle) Cancel() {
	h.cancelled = true
	h.callback = nil // what it holds on to is free
}

// Cancelled reports whether Cancel was called.
func (h *Handle) Cancelled() bool { return h.cancelled }

// TimerHandle is a callback that CallLater or CallAt have scheduled, as
// asyncio.TimerHandle.
//
//	scheduled ──due──▶ ready ──its turn──▶ called
//	scheduled, ready ──Cancel──▶ cancelled
type TimerHandle struct {
	Handle
	loop       *SelectorEventLoop
	when       time.Duration
	id         uint32 // in the loop's table while scheduled
	generation uint32 // 0: not scheduled any more
	name       timerName
}

// When is the time at which the callback is due, on the clock of Time.
func (h *TimerHandle) When() time.Duration { return h.when }

// Cancel keeps the callback from being called.
func (h *TimerHandle) Cancel() {
	h.Handle.Cancel()
	if h.generation != 0 {
		h.loop.cancelTimer(h)
	}
}

// handles is a queue of callbacks: a ring whose capacity is a power of two.
type handles struct {
	ring        []*Handle
	first, size int
}

func (q *handles) push(h *Handle) {
	if q.size == len(q.ring) {
		ring := make([]*Handle, max(16, 2*len(q.ring)))
		n := copy(ring, q.ring[q.first:])
		copy(ring[n:], q.ring[:q.first])
		q.ring, q.first = ring, 0
	}
	q.ring[(q.first+q.size)&(len(q.ring)-1)] = h
	q.size++
}

// pop takes the oldest; there must be one.
func (q *handles) pop() *Handle {
	h := q.ring[q.first]
	q.ring[q.first] = nil
	q.first = (q.first + 1) & (len(q.ring) - 1)
	q.size--
	return h
}
