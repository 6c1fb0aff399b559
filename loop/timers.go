package loop

import (
	"math"
	"syscall"
	"time"
	"unsafe"

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

// timers holds what is scheduled by time, then by order of scheduling: a queue as long as each timer is due after all
// before it, as those of one delay are; from the first that is not, a heap of four children a node, until it is empty. A
// queue in order is such a heap. A cancelled timer stays in it, with its id's generation changed,
// until it surfaces or until cancelled ones are the majority.
type timers struct {
	heap      mapped.Slice[timer]
	gone      int                  // of a queue: so many at its start have been taken
	heaped    bool                 // a heap, which has none that are gone
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
	if len(h.heap.Items) == cap(h.heap.Items) && !h.makeRoom() {
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
	last := len(h.heap.Items)
	h.heap.Items = append(h.heap.Items, timer{when: when, seq: h.seq, id: id, generation: generation})
	if !h.heaped {
		if last == h.gone || when >= h.heap.Items[last-1].when {
			return true
		}
		h.shift()
		h.heaped = true
	}
	h.up(len(h.heap.Items) - 1)
	return true
}

// makeRoom has the array of a queue closed up when an eighth of it is gone, or when there is no memory.
func (h *timers) makeRoom() bool {
	if h.gone <= len(h.heap.Items)/8 && h.heap.Grow(1) {
		return true
	}
	room := h.gone > 0
	h.shift()
	return room
}

// shift closes up to the start of the array.
func (h *timers) shift() {
	h.heap.Items = h.heap.Items[:copy(h.heap.Items, h.heap.Items[h.gone:])]
	h.gone = 0
}

func (h *timers) len() int { return len(h.heap.Items) - h.gone }

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
	if h.cancelled > compactFrom && h.cancelled*2 > h.len() {
		h.compact()
	}
}

func (h *timers) isLive(t *timer) bool {
	return t.generation == 0 || h.live.Items[t.id] == t.generation
}

// deadline is when the earliest live timer is due, or math.MaxInt64.
func (h *timers) deadline() int64 {
	for h.len() > 0 {
		if first := &h.heap.Items[h.gone]; h.isLive(first) {
			return first.when
		}
		h.cancelled--
		h.removeFirst()
	}
	return math.MaxInt64
}

// pop takes the earliest live timer that is due at now.
func (h *timers) pop(now int64) (timer, bool) {
	if h.deadline() > now || h.len() == 0 {
		return timer{}, false
	}
	t := h.heap.Items[h.gone]
	if t.generation != 0 {
		h.live.Items[t.id] = 0
	}
	h.removeFirst()
	return t, true
}

func (h *timers) removeFirst() {
	switch last := len(h.heap.Items) - 1; {
	case last == h.gone:
		h.heap.Items, h.gone, h.heaped = h.heap.Items[:0], 0, false
	case h.heaped:
		h.heap.Items[0] = h.heap.Items[last]
		h.heap.Items = h.heap.Items[:last]
		h.down(0)
	default:
		h.gone++
	}
}

func (h *timers) compact() {
	kept := h.heap.Items[:0]
	for i := h.gone; i < len(h.heap.Items); i++ {
		if h.isLive(&h.heap.Items[i]) {
			kept = append(kept, h.heap.Items[i])
		}
	}
	h.heap.Items, h.gone = kept, 0
	h.cancelled = 0
	h.heaped = h.heaped && len(kept) > 0
	for i := (len(kept) - 2) / 4; h.heaped && i >= 0 && len(kept) > 1; i-- {
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

// addTimers schedules all timers of a submission, and stops at the first that finds no memory.
func (e *Engine) addTimers(s *Submission) {
	e.stats.TimersAdded += counted * uint64(s.Len)
	for _, t := range unsafe.Slice((*Timer)(pointer(s.Ptr)), int(s.Len)) {
		if !e.timers.add(t.ID, t.Generation, t.When) {
			s.Res = int32(syscall.ENOMEM)
			return
		}
	}
}

// fireTimers tells the timers that are due. asked: looked is of this turn.
func (e *Engine) fireTimers(asked bool) {
	if e.timers.deadline() == math.MaxInt64 {
		return
	}
	now := e.looked
	if !asked {
		now = e.clock.now()
	}
	for e.room() > 0 {
		t, ok := e.timers.pop(now)
		if !ok {
			return
		}
		if t.generation == 0 {
			e.endBackoff(int32(t.id))
			continue
		}
		e.stats.TimersFired += counted
		if measured {
			e.meters.Lag.Add(time.Duration(now - t.when))
		}
		e.Complete(Completion{Kind: TimerDue, User: uint64(t.id), Generation: t.generation})
	}
}
