package loop

import (
	"math"

	"goloop/internal/mapped"
)

// timer is one entry of the heap. Generation 0 marks the engine's own timers,
// whose id is a descriptor.
type timer struct {
	when       int64 // ns of CLOCK_MONOTONIC
	seq        uint64
	id         uint32
	generation uint32
}

func (t *timer) before(u *timer) bool {
	return t.when < u.when || (t.when == u.when && t.seq < u.seq)
}

// timers is a heap of four children a node, by time, then by order of
// scheduling. A cancelled timer stays in it, with its id's generation changed,
// until it surfaces or until cancelled ones are the majority.
type timers struct {
	heap      mapped.Slice[timer]
	live      mapped.Slice[uint32] // generation of the scheduled timer, by id; 0 for none
	cancelled int
	seq       uint64
}

// compactFrom is how many cancelled timers are borne without a look at their
// share; asyncio takes 100.
const compactFrom = 100

// add schedules a timer. It is false when there is no memory, which cannot be where id was
// reserved.
func (h *timers) add(id, generation uint32, when int64) bool {
	n := len(h.heap.Items)
	if n == cap(h.heap.Items) && !h.heap.Grow(1) {
		return false
	}
	if generation != 0 {
		if int(id) >= len(h.live.Items) && !h.extend(int(id)+1) {
			return false
		}
		if h.live.Items[id] != 0 { // not cancelled first: the new one replaces it
			h.cancelled++
		}
		h.live.Items[id] = generation
	}
	h.seq++
	h.heap.Items = append(h.heap.Items, timer{when: when, seq: h.seq, id: id, generation: generation})
	h.up(n)
	return true
}

// extend makes live as long as n, which is longer than it is.
func (h *timers) extend(n int) bool {
	from := len(h.live.Items)
	if !h.live.Grow(n - from) {
		return false
	}
	h.live.Items = h.live.Items[:n]
	clear(h.live.Items[from:])
	return true
}

// reserve makes room for one timer of each id below n, and gives back what is beyond. It is
// false when there is no memory.
func (h *timers) reserve(n int) bool {
	if n <= len(h.live.Items) {
		h.compact()
		last := len(h.live.Items)
		for last > n && h.live.Items[last-1] == 0 {
			last--
		}
		h.live.Items = h.live.Items[:last]
	}
	// Besides the live ones there are as many cancelled, or compactFrom, before cancel compacts.
	return h.live.Reserve(n) && h.heap.Reserve(n+max(n, compactFrom)+1)
}

func (h *timers) free() {
	h.heap.Free()
	h.live.Free()
}

func (h *timers) cancel(id, generation uint32) {
	if int(id) >= len(h.live.Items) || h.live.Items[id] != generation || generation == 0 {
		return
	}
	h.live.Items[id] = 0
	h.cancelled++
	if h.cancelled > compactFrom && h.cancelled*2 > len(h.heap.Items) {
		h.compact()
	}
}

func (h *timers) isLive(t *timer) bool {
	return t.generation == 0 || h.live.Items[t.id] == t.generation
}

// deadline is when the earliest live timer is due, or math.MaxInt64.
func (h *timers) deadline() int64 {
	for len(h.heap.Items) > 0 {
		if h.isLive(&h.heap.Items[0]) {
			return h.heap.Items[0].when
		}
		h.cancelled--
		h.removeFirst()
	}
	return math.MaxInt64
}

// pop takes the earliest live timer that is due at now.
func (h *timers) pop(now int64) (timer, bool) {
	if h.deadline() > now || len(h.heap.Items) == 0 {
		return timer{}, false
	}
	t := h.heap.Items[0]
	if t.generation != 0 {
		h.live.Items[t.id] = 0
	}
	h.removeFirst()
	return t, true
}

func (h *timers) removeFirst() {
	last := len(h.heap.Items) - 1
	h.heap.Items[0] = h.heap.Items[last]
	h.heap.Items = h.heap.Items[:last]
	if last > 0 {
		h.down(0)
	}
}

func (h *timers) compact() {
	kept := h.heap.Items[:0]
	for i := range h.heap.Items {
		if h.isLive(&h.heap.Items[i]) {
			kept = append(kept, h.heap.Items[i])
		}
	}
	h.heap.Items = kept
	h.cancelled = 0
	for i := (len(h.heap.Items) - 2) / 4; i >= 0 && len(h.heap.Items) > 1; i-- {
		h.down(i)
	}
}

func (h *timers) up(i int) {
	t := h.heap.Items[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !t.before(&h.heap.Items[parent]) {
			break
		}
		h.heap.Items[i] = h.heap.Items[parent]
		i = parent
	}
	h.heap.Items[i] = t
}

func (h *timers) down(i int) {
	t := h.heap.Items[i]
	n := len(h.heap.Items)
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < child+4 && c < n; c++ {
			if h.heap.Items[c].before(&h.heap.Items[least]) {
				least = c
			}
		}
		if !h.heap.Items[least].before(&t) {
			break
		}
		h.heap.Items[i] = h.heap.Items[least]
		i = least
	}
	h.heap.Items[i] = t
}
