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
// timedWaits: the same of a busy loop's waits.
const (
	timedTurns = 16
	timedWaits = 8
)

// Meters is what is measured of an engine while it works.
type Meters struct {
	Opened  int64         // ns of CLOCK_MONOTONIC
	Waiting time.Duration // in the selector, with nothing to do; of a busy loop estimated from each eighth wait
	Engine  time.Duration // in turns, less the waits; estimated from each sixteenth
	Lag     Histogram     // by how much timers were late when their turn came

	AcceptFailures uint64

	waitFrom int64         // ns, since when it waits; 0: it does not, or the wait's length is not taken
	share    time.Duration // of how many waits this one's length is taken
	untimed  int
}

// tally adds to one of Stats or Meters.
func tally(of *uint64, n int) {
	if measured {
		*of += uint64(n)
	}
}

// turnBegins is when a turn begins, of one whose time is taken; else 0.
func (e *Engine) turnBegins() int64 {
	if !measured || e.stats.Turns%timedTurns != 0 {
		return 0
	}
	e.meters.untimed = timedWaits // its wait's length is needed
	return e.clock.now()
}

func (e *Engine) turnEnded(began int64, waited time.Duration) {
	e.meters.Engine += timedTurns * max(0, time.Duration(e.clock.now()-began)-waited)
}

// waits notes that the engine is about to wait in the selector. Of a loop that is busy the wait's length is taken once in
// timedWaits, for it is short, and a look at the clock is not for nothing.
func (e *Engine) waits() {
	if !measured {
		return
	}
	setPhase(e.phase, PhaseWaiting)
	m := &e.meters
	m.share = 1
	if !e.tempo.quiet() {
		if m.untimed++; m.untimed < timedWaits {
			return
		}
		m.untimed, m.share = 0, timedWaits
	}
	m.waitFrom = e.clock.now()
}

func (e *Engine) waitEnded() {
	if !measured {
		return
	}
	setPhase(e.phase, PhaseEngine)
	if m := &e.meters; m.waitFrom != 0 {
		m.Waiting += m.share * time.Duration(e.looked-m.waitFrom)
		m.waitFrom = 0
	}
}

// setPhase stores a number that others read at any time, and that nothing is ordered by: an atomic store would cost
// more than the rest.
//
//go:norace
func setPhase(phase *uint32, to uint32) { *phase = to }

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

// Observation is what Observe gives.
type Observation struct {
	Stats  Stats
	Meters Meters
	Census Census
	Peers  []Peer
	Age    time.Duration // since New
}

// Observe looks at an engine from any goroutine, while it goes on or is stuck, and lists its descriptors if asked for. It takes no lock, and
// the engine pays nothing for it: each number is one that was right a moment ago, and two may be of different moments. false:
// the engine is closed.
//
//go:norace
func (e *Engine) Observe(peers bool) (o Observation, ok bool) {
	fds := e.seen.Load()
	if e.closed {
		return o, false
	}
	o.Stats, o.Meters = e.stats, e.meters
	now := e.clock.now()
	o.Age = time.Duration(now - e.meters.Opened)
	if m := &o.Meters; m.waitFrom != 0 && now > m.waitFrom {
		m.Waiting += m.share * time.Duration(now-m.waitFrom)
	}
	if fds != nil {
		for _, d := range *fds {
			if d != nil {
				o.count(now, d, peers)
			}
		}
	}
	o.Census.Timers = max(0, len(e.timers.heap.Items)-e.timers.gone-e.timers.cancelled)
	o.Census.Lookups = e.Lookups()
	return o, true
}

//go:norace
func (o *Observation) count(now int64, d *descriptor, peers bool) {
	p := Peer{Fd: d.fd, Recent: int(d.recent), State: "reading", Backoff: d.backoff, Age: time.Duration(now - d.since), Queued: d.queue.bytes}
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
	o.Census.QueuedBytes += p.Queued
	if peers {
		o.Peers = append(o.Peers, p)
	}
}
