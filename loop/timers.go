package loop

import "math"

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
	heap      []timer
	live      []uint32 // generation of the scheduled timer, by id; 0 for none
	cancelled int
	seq       uint64
}

// compactFrom is how many cancelled timers are borne without a look at their
// share; asyncio takes 100.
const compactFrom = 100

func (h *timers) add(id, generation uint32, when int64) {
	if generation != 0 {
		for int(id) >= len(h.live) {
			h.live = append(h.live, 0)
		}
		if h.live[id] != 0 { // not cancelled first: the new one replaces it
			h.cancelled++
		}
		h.live[id] = generation
	}
	h.seq++
	h.heap = append(h.heap, timer{when: when, seq: h.seq, id: id, generation: generation})
	h.up(len(h.heap) - 1)
}

func (h *timers) cancel(id, generation uint32) {
	if int(id) >= len(h.live) || h.live[id] != generation || generation == 0 {
		return
	}
	h.live[id] = 0
	h.cancelled++
	if h.cancelled > compactFrom && h.cancelled*2 > len(h.heap) {
		h.compact()
	}
}

func (h *timers) isLive(t *timer) bool {
	return t.generation == 0 || h.live[t.id] == t.generation
}

// deadline is when the earliest live timer is due, or math.MaxInt64.
func (h *timers) deadline() int64 {
	for len(h.heap) > 0 {
		if h.isLive(&h.heap[0]) {
			return h.heap[0].when
		}
		h.cancelled--
		h.removeFirst()
	}
	return math.MaxInt64
}

// pop takes the earliest live timer that is due at now.
func (h *timers) pop(now int64) (timer, bool) {
	if h.deadline() > now || len(h.heap) == 0 {
		return timer{}, false
	}
	t := h.heap[0]
	if t.generation != 0 {
		h.live[t.id] = 0
	}
	h.removeFirst()
	return t, true
}

func (h *timers) removeFirst() {
	last := len(h.heap) - 1
	h.heap[0] = h.heap[last]
	h.heap = h.heap[:last]
	if last > 0 {
		h.down(0)
	}
}

func (h *timers) compact() {
	kept := h.heap[:0]
	for i := range h.heap {
		if h.isLive(&h.heap[i]) {
			kept = append(kept, h.heap[i])
		}
	}
	h.heap = kept
	h.cancelled = 0
	for i := (len(h.heap) - 2) / 4; i >= 0 && len(h.heap) > 1; i-- {
		h.down(i)
	}
}

func (h *timers) up(i int) {
	t := h.heap[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !t.before(&h.heap[parent]) {
			break
		}
		h.heap[i] = h.heap[parent]
		i = parent
	}
	h.heap[i] = t
}

func (h *timers) down(i int) {
	t := h.heap[i]
	n := len(h.heap)
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < child+4 && c < n; c++ {
			if h.heap[c].before(&h.heap[least]) {
				least = c
			}
		}
		if !h.heap[least].before(&t) {
			break
		}
		h.heap[i] = h.heap[least]
		i = least
	}
	h.heap[i] = t
}
