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
	Taken  int32          // the engine writes 1
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
	e.takeTimers(unsafe.Slice((*Timer)(f.Timers), int(f.Len)))
	f.Live, f.Taken = 0, 1
}

// takeTimers schedules all that are somebody's, and is false when one finds no memory: that one has no name.
func (e *Engine) takeTimers(all []Timer) bool {
	ok := true
	for i := range all {
		t := &all[i]
		if t.User == 0 {
			continue
		}
		e.stats.TimersAdded += counted
		name, added := e.timers.add(t.User, t.When)
		ok = ok && added
		t.When = int64(name)
	}
	return ok
}
