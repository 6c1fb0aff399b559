package loop

import (
	"time"
)

// Phases of a loop, as Options.Phase and abi.h have them.
const (
	PhaseIdle uint32 = iota
	PhasePython
	PhaseEngine
	PhaseWaiting
	PhaseGIL
)

// timedTurns: of so many turns, one's time is taken.
const timedTurns = 16

// Meters is what is measured of an engine while it works.
type Meters struct {
	Opened  int64         // ns of CLOCK_MONOTONIC
	Waiting time.Duration // in the selector, with nothing to do
	Engine  time.Duration // in turns, less the waits; estimated from each sixteenth
	Lag     Histogram     // by how much timers were late when their turn came

	AcceptFailures uint64

	waitFrom int64
}

// begin is when a turn begins, of one whose time is taken; else 0.
func (m *Meters) begin(e *Engine) int64 {
	if e.stats.Turns%timedTurns != 0 {
		return 0
	}
	return e.clock.now() - int64(m.Waiting)
}

func (m *Meters) end(e *Engine, began int64) {
	if began != 0 {
		m.Engine += timedTurns * time.Duration(e.clock.now()-int64(m.Waiting)-began)
	}
}

// wait is Select, with observers let in meanwhile.
func (e *Engine) wait(timeout time.Duration) (int, error) {
	e.phase.Store(PhaseWaiting)
	e.meters.waitFrom = e.clock.now()
	e.inside.Unlock()
	defer e.waitEnded()
	return e.sel.Select(e.events[:], timeout)
}

func (e *Engine) waitEnded() {
	e.inside.Lock()
	m := &e.meters
	m.Waiting += time.Duration(e.clock.now() - m.waitFrom)
	m.waitFrom = 0
	e.phase.Store(PhaseEngine)
}

// Census is how many descriptors of each kind an engine has, and what they hold.
type Census struct {
	Streams, Pipes, Datagrams, Servers, Watched int
	Paused                                      int   // streams and datagram sockets that are not read
	QueuedBytes                                 int64 // that wait to be written
	Timers, Lookups                             int
}

// Peer is one transport.
type Peer struct {
	Fd      int32
	Kind    string // "stream", "pipe", "datagram", "server", "watched"
	State   string // "reading", "paused", "ended", "broken"
	Queued  int64  // bytes that wait to be written
	Recent  int    // bytes of the last read
	Age     time.Duration
	Backoff bool // a server that rests, for descriptors have run out
}

// Alone runs f without observers: what changes descriptors outside of a turn, as AddSource may.
func (e *Engine) Alone(f func()) {
	e.inside.Lock()
	defer e.inside.Unlock()
	f()
}

// Observation is what Observe gives.
type Observation struct {
	Stats   Stats
	Meters  Meters
	Census  Census
	Peers   []Peer
	Backlog int
	Age     time.Duration // since New
}

// Observe looks at an engine from any goroutine, and lists its descriptors if asked for. It waits for a turn to end, for so long
// at most; false: the engine was busy all the time, or is closed.
func (e *Engine) Observe(within time.Duration, peers bool) (o Observation, ok bool) {
	until := time.Now().Add(within)
	for !e.inside.TryLock() {
		if time.Now().After(until) {
			return o, false
		}
		time.Sleep(50 * time.Microsecond)
	}
	defer e.inside.Unlock()
	if e.closed {
		return o, false
	}
	o.Stats, o.Meters, o.Backlog = e.stats, e.meters, e.Backlog()
	o.Age = time.Duration(e.clock.now() - e.meters.Opened)
	if m := &o.Meters; m.waitFrom != 0 {
		m.Waiting += time.Duration(e.clock.now() - m.waitFrom)
	}
	for _, d := range e.fds {
		if d != nil {
			o.count(e, d, peers)
		}
	}
	o.Census.Timers = len(e.timers.heap.Items) - e.timers.cancelled
	o.Census.Lookups = e.Lookups()
	return o, true
}

func (o *Observation) count(e *Engine, d *descriptor, peers bool) {
	p := Peer{Fd: d.fd, Recent: d.recent, State: "reading", Backoff: d.backoff, Age: time.Duration(e.clock.now() - d.since)}
	switch c := &o.Census; d.kind {
	case stream:
		p.Kind = "stream"
		if d.pipe {
			p.Kind = "pipe"
			c.Pipes++
		} else {
			c.Streams++
		}
	case datagram:
		p.Kind = "datagram"
		c.Datagrams++
	case listener:
		p.Kind = "server"
		c.Servers++
	case watched:
		p.Kind = "watched"
		c.Watched++
	default:
		return
	}
	switch {
	case d.broken:
		p.State = "broken"
	case d.ended:
		p.State = "ended"
	case d.paused:
		p.State = "paused"
		o.Census.Paused++
	}
	for n, at := d.queue.n, d.queue.first; n > 0; n-- {
		c := e.chunks.at(at)
		p.Queued += c.len
		at = c.next
	}
	o.Census.QueuedBytes += p.Queued
	if peers {
		o.Peers = append(o.Peers, p)
	}
}
