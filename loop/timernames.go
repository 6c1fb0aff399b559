package loop

import "goloop/internal/mapped"

const (
	fewestTimers = 256  // so many are reserved from the start
	keptTimers   = 4096 // a table so long is not worth giving back
)

// timerName is what a host cancels a timer by: no two timers have the same, and 0 and what fits into 32 bits is none's.
type timerName uint64

func (n timerName) id() uint32         { return uint32(n) }
func (n timerName) generation() uint32 { return uint32(n >> 32) }

// timerNames has the ids of scheduled timers, which are used again with another generation, and whose timers they are.
type timerNames struct {
	names      mapped.Slice[named] // by id
	vacant     uint32              // the first id that nobody has: 1 more than it; 0: none
	bound      uint32              // ids that are given out are below, unless there is none
	generation uint32              // of ids that are new, or come again: they have not had it
	reserved   int32               // reserve
	lookedAt   int64               // ns: giveBack
}

type named struct {
	user       uint64 // whose timer it is
	generation uint32 // of that one, or of the next
	next       uint32 // as free; or held: it is given out
}

const held = ^uint32(0)

// give gives out the id that is the first free one.
func (t *timerNames) give(user uint64) timerName {
	id := t.vacant - 1
	e := &t.names.Items[id]
	t.vacant = e.next
	e.next, e.user = held, user
	return timerName(e.generation)<<32 | timerName(id)
}

// more has an id free where none is. It is false when there is no memory.
func (t *timerNames) more() bool {
	n := len(t.names.Items)
	if int(t.bound) < n {
		t.bind(n) // those that were to be given back
		if t.vacant != 0 {
			return true
		}
	}
	if n == cap(t.names.Items) && !t.names.Grow(1) {
		return false
	}
	t.names.Items = append(t.names.Items, named{generation: max(1, t.generation), next: t.vacant})
	t.vacant = uint32(n + 1)
	t.bound = t.vacant
	return true
}

// take takes an id back, and is false when it is not that timer's any more.
func (t *timerNames) take(name timerName) bool {
	id := name.id()
	if int(id) >= len(t.names.Items) {
		return false
	}
	e := &t.names.Items[id]
	if e.generation != name.generation() || e.next != held {
		return false
	}
	t.release(e, id)
	return true
}

// release has nobody keep id, which was given out; e: its entry.
func (t *timerNames) release(e *named, id uint32) {
	e.generation = max(1, e.generation+1) // 0 marks the engine's own timers
	e.next = 0
	if id < t.bound {
		e.next, t.vacant = t.vacant, id+1
	}
}

// bind has only ids below n given out from now on, and tells whether all above are free.
func (t *timerNames) bind(n int) bool {
	t.bound, t.vacant = uint32(n), 0
	last := 0
	for id := len(t.names.Items) - 1; id >= 0; id-- {
		e := &t.names.Items[id]
		if e.next == held {
			last = max(last, id+1)
		} else if id < n {
			e.next, t.vacant = t.vacant, uint32(id+1)
		}
	}
	return last <= n
}

// drop forgets ids from n on, as far as all above are free.
func (t *timerNames) drop(n int) {
	last := len(t.names.Items)
	for last > n && t.names.Items[last-1].next != held {
		last--
		t.generation = max(t.generation, t.names.Items[last].generation)
	}
	if last < len(t.names.Items) {
		t.names.Items = t.names.Items[:last]
		t.bind(min(int(t.bound), last))
	}
}
