package loop

import (
	"math"
	"time"
)

// CallLater schedules callback for d from now; a negative d is a time that is
// past. The callback is never early. It panics with ErrClosed on a closed loop.
func (l *SelectorEventLoop) CallLater(d time.Duration, callback func()) *TimerHandle {
	now := l.Time()
	if d > math.MaxInt64-now {
		d = math.MaxInt64 - now
	}
	return l.CallAt(now+d, callback)
}

// CallAt schedules callback for a time on the clock of Time, which may be past.
// Of two timers for one time the one that was scheduled first runs first. It
// panics with ErrClosed on a closed loop.
func (l *SelectorEventLoop) CallAt(when time.Duration, callback func()) *TimerHandle {
	l.checkOpen()
	h := &TimerHandle{Handle: Handle{callback: callback}, loop: l, when: when}
	l.timers.put(h)
	s := Submission{User: uint64(h.generation)<<32 | uint64(h.id), Len: min(int64(when), math.MaxInt64-1)} // the largest number stands for no timer
	l.engine.addTimer(&s)
	h.name = timerName(s.Ptr)
	return h
}

func (l *SelectorEventLoop) cancelTimer(h *TimerHandle) {
	if l.timers.take(h.id, h.generation) != nil {
		l.submit(Submission{Op: OpTimerCancel, User: uint64(h.name)})
	}
	h.generation = 0
}

// scheduled is the table from what the engine tells of a timer to its handle: an id, which is used again with another
// generation.
type scheduled struct {
	entries []scheduledEntry
	free    []uint32 // ids without a handle
}

type scheduledEntry struct {
	handle     *TimerHandle // nil: free
	generation uint32
}

// put gives h an id and a generation.
func (s *scheduled) put(h *TimerHandle) {
	if len(s.free) == 0 {
		s.entries = append(s.entries, scheduledEntry{})
		s.free = append(s.free, uint32(len(s.entries)-1))
	}
	h.id = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	e := &s.entries[h.id]
	if e.generation++; e.generation == 0 { // 0: not scheduled
		e.generation = 1
	}
	e.handle = h
	h.generation = e.generation
}

// take removes the handle of a pair and returns it, or nil when the pair is stale.
func (s *scheduled) take(id, generation uint32) *TimerHandle {
	if int(id) >= len(s.entries) {
		return nil
	}
	e := &s.entries[id]
	h := e.handle
	if h == nil || e.generation != generation {
		return nil
	}
	e.handle = nil
	s.free = append(s.free, id)
	h.generation = 0
	return h
}
