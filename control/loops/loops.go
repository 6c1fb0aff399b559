// Package loops is the list of the process's open loops, for who looks at them from outside of their threads.
package loops

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"goloop/loop"
)

// Pulse is what a loop's thread writes as it goes on, and stops writing when it is stuck.
type Pulse struct {
	Phase       uint32 // loop.PhaseIdle and its kin
	Native      int32  // the thread that runs the loop, or has run it: its number in the system, 0 when unknown,
	Thread      uint64 // and threading.get_ident()
	Interpreter int64
	Running     time.Duration  // how long somebody has run it
	Turns       uint64         // of the engine that have begun
	Ran         uint64         // callbacks that have begun
	Ready       uint64         // with how many callbacks the last batch began,
	MostReady   uint64         // and the longest
	Taken       loop.Histogram // times of callbacks: of one in TimedCallbacks
	Late        loop.Histogram // by how much timers were late that were due before the engine saw them
}

// TimedCallbacks: of so many callbacks, one's time is taken. GL_TIMED.
const TimedCallbacks = 256

// Loop is one open loop. Its methods may be called from anywhere, until it is closed and after.
type Loop interface {
	// ID is never used again.
	ID() int64
	// Selector is the name of its selector.
	Selector() string
	// Pulse is false once the loop is closed.
	Pulse() (Pulse, bool)
	// Observe is that of loop.Engine.
	Observe(peers bool) (loop.Observation, bool)
}

// entry is an open loop.
type entry struct {
	Loop
	python float64 // seconds in Python that were told of it
}

var (
	mu   sync.Mutex
	open = map[int64]*entry{}
)

// Opened adds a loop.
func Opened(l Loop) {
	mu.Lock()
	defer mu.Unlock()
	open[l.ID()] = &entry{Loop: l}
}

// Closed takes a loop away.
func Closed(l Loop) {
	mu.Lock()
	defer mu.Unlock()
	delete(open, l.ID())
}

// Find returns the open loop of that name, or nil.
func Find(id int64) Loop {
	mu.Lock()
	defer mu.Unlock()
	if e := open[id]; e != nil {
		return e.Loop
	}
	return nil
}

// pythonSeconds is what is to be told of a loop that has been in Python for so long: what is left of a sum that is known and an estimate
// may fall, and a counter must not.
func pythonSeconds(id int64, seconds float64) float64 {
	mu.Lock()
	defer mu.Unlock()
	e := open[id]
	if e == nil {
		return seconds
	}
	e.python = max(e.python, seconds)
	return e.python
}

// All lists the open loops, the oldest first.
func All() []Loop {
	mu.Lock()
	defer mu.Unlock()
	all := make([]Loop, 0, len(open))
	for _, e := range open {
		all = append(all, e.Loop)
	}
	slices.SortFunc(all, func(a, b Loop) int { return cmp.Compare(a.ID(), b.ID()) })
	return all
}
