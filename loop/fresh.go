package loop

import "unsafe"

// Most timers are cancelled long before they are due: of a server's they watch over what hardly ever fails. So the host keeps
// what is scheduled, and shows it to each turn; the engine takes all of it, and names each, when one of them is due, or when
// there are more than freshMost, which live longer. Until then a wait ends where the first is due. What is cancelled before
// has cost the engine nothing, and a turn with such timers alone may be the host's (near.go).
//
// Those that it takes were scheduled after all that it has.
const freshMost = 512

// Fresh is what the host has of timers: struct gl_fresh.
type Fresh struct {
	Timers unsafe.Pointer // *Timer: in the order of scheduling; User 0: it is cancelled
	Len    int32          // so many,
	Live   int32          // and without those that are cancelled; 0: nothing is shown
	First  int64          // ns: none is due before
	Taken  int32          // the engine writes how many it has taken: all, or the first, where there is no memory
}

// shown is when the first timer may be due that the host has, or what is given when that comes before.
func (e *Engine) shown(deadline int64) int64 {
	if f := e.fresh; f != nil && f.Live > 0 {
		return min(deadline, f.First)
	}
	return deadline
}

// freshTimers is how many there are.
func (e *Engine) freshTimers() int {
	if e.fresh == nil {
		return 0
	}
	return int(e.fresh.Live)
}

// takeFresh takes what is shown when it has to be sorted by now, or is too much.
func (e *Engine) takeFresh(due int64) {
	f := e.fresh
	if f == nil || f.Live == 0 || f.Live <= freshMost && due < f.First {
		return
	}
	n := e.takeTimers(unsafe.Slice((*Timer)(f.Timers), int(f.Len)))
	f.Live, f.Taken = 0, int32(n)
}

// takeTimers schedules those that are somebody's, up to the first that finds no memory, and returns how many it has seen to: the
// host keeps the others, and shows them again.
func (e *Engine) takeTimers(all []Timer) int {
	for i := range all {
		t := &all[i]
		if t.User == 0 {
			continue
		}
		name, ok := e.timers.add(t.User, t.When)
		if !ok {
			return i
		}
		e.stats.TimersAdded += counted
		t.When = int64(name)
	}
	return len(all)
}
