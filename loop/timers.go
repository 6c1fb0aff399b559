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
	timerNames
	heap      mapped.Slice[timer]
	gone      int  // of a queue: so many at its start have been taken
	heaped    bool // a heap, which has none that are gone
	cancelled int
	seq       uint64
}

// compactFrom is how many cancelled timers are borne without a look at their
// share; asyncio takes 100.
const compactFrom = 100

// add schedules a timer of the host's, whom user tells, and returns its name. It is false when there is no memory, which
// cannot be where a reserve has made room.
func (h *timers) add(user uint64, when int64) (name timerName, ok bool) {
	if h.vacant == 0 && !h.more() {
		return 0, false
	}
	name = h.give(user)
	if ok = h.push(when, name.id(), name.generation()); !ok {
		h.take(name)
	}
	return name, ok
}

// push schedules one that has a name, or one of the engine's own, which cannot be cancelled.
func (h *timers) push(when int64, id, generation uint32) bool {
	if len(h.heap.Items) == cap(h.heap.Items) && !h.makeRoom() {
		return false
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

// reserve makes room for n timers, and gives back what is beyond. It is false when there is no memory.
func (h *timers) reserve(n int) bool {
	if n <= len(h.names.Items) {
		h.compact()
		h.drop(n)
	}
	// Besides the live ones there are as many cancelled, or compactFrom, before cancel compacts.
	if !h.names.Reserve(n) || !h.heap.Reserve(n+max(n, compactFrom)+1) {
		return false
	}
	h.reserved = int32(min(n, math.MaxInt32))
	return true
}

// giveBack is called when the loop has time. Once a second at most, for it looks at the whole table, the memory goes that a
// crowd has left: when few timers are left, only low ids are given out from then on, and when the last high one has gone, so has
// the memory. fresh: so many may come that the host has.
func (h *timers) giveBack(now int64, fresh int) {
	const second = int64(time.Second)
	live := h.len() - h.cancelled + fresh
	if len(h.names.Items) <= keptTimers || live > len(h.names.Items)/8 || now-h.lookedAt < second {
		return
	}
	h.lookedAt = now
	few := fewestTimers
	for few < 4*live {
		few *= 2
	}
	if h.bind(few) {
		h.reserve(few)
	}
}

func (h *timers) free() {
	h.heap.Free()
	h.names.Free()
}

func (h *timers) cancel(name timerName) {
	if !h.take(name) {
		return
	}
	h.cancelled++
	if h.cancelled > compactFrom && h.cancelled*2 > h.len() {
		h.compact()
	}
}

func (h *timers) isLive(t *timer) bool {
	return t.generation == 0 || h.names.Items[t.id].generation == t.generation
}

// first is the earliest live timer, or nil.
func (h *timers) first() *timer {
	for h.len() > 0 {
		if first := &h.heap.Items[h.gone]; h.isLive(first) {
			return first
		}
		h.cancelled--
		h.removeFirst()
	}
	return nil
}

// deadline is when the earliest live timer is due, or math.MaxInt64.
func (h *timers) deadline() int64 {
	if first := h.first(); first != nil {
		return first.when
	}
	return math.MaxInt64
}

// pop takes the earliest live timer that is due at now; user: of one that is not the engine's own.
func (h *timers) pop(now int64) (t timer, user uint64, ok bool) {
	first := h.first()
	if first == nil || first.when > now {
		return timer{}, 0, false
	}
	t = *first
	if t.generation != 0 {
		e := &h.names.Items[t.id]
		user = e.user
		h.release(e, t.id)
	}
	h.removeFirst()
	return t, user, true
}

func (h *timers) removeFirst() {
	if h.gone++; h.heaped || h.gone == len(h.heap.Items) {
		h.removed()
	}
}

// removed is removeFirst of a heap, or of the last one.
func (h *timers) removed() {
	last := len(h.heap.Items) - 1
	h.gone = 0
	if last == 0 || !h.heaped {
		h.heap.Items, h.heaped = h.heap.Items[:0], false
		return
	}
	h.heap.Items[0] = h.heap.Items[last]
	h.heap.Items = h.heap.Items[:last]
	h.down(0)
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

// addTimer schedules the timer of a submission.
func (e *Engine) addTimer(s *Submission) {
	e.stats.TimersAdded += counted
	name, ok := e.timers.add(s.User, s.Len)
	if !ok {
		s.Res = int32(syscall.ENOMEM)
	}
	s.Ptr = uint64(name)
}

// addTimers schedules those of a submission, which tells then how many.
func (e *Engine) addTimers(s *Submission) {
	s.Len = int64(e.takeTimers(unsafe.Slice((*Timer)(pointer(s.Ptr)), int(s.Len))))
}

// fireTimers tells the timers that are due. asked: looked is of this turn.
func (e *Engine) fireTimers(asked bool) {
	if e.shown(e.timers.deadline()) == math.MaxInt64 {
		return
	}
	now := e.looked
	if !asked {
		now = e.clock.now()
	}
	e.takeFresh(now)
	for e.room() > 0 {
		t, user, ok := e.timers.pop(now)
		if !ok {
			return
		}
		if t.generation == 0 {
			e.endBackoff(int32(t.id))
			continue
		}
		e.stats.TimersFired += counted
		if measured {
			e.meters.Lag.Add(time.Duration(now - max(t.when, 0)))
		}
		e.Complete(Completion{Kind: TimerDue, User: user})
	}
}
