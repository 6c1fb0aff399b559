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

// timed: of so many turns, one's time is taken, and that of the wait in it or after it. A power of two.
const timed = 16

// Meters is what is measured of an engine while it works.
type Meters struct {
	timesWait bool          // the next wait's length is to be taken
	waits     uint64        // Stats.Waits when it was last taken
	share     time.Duration // for how many waits the one under way stands
	waitFrom  int64         // ns, since when it lasts; 0: it does not, or its length is not taken
	turnFrom  int64         // ns, when a turn whose time is taken began; 0: it is not
	waited    time.Duration // in that turn

	Waiting time.Duration // in the selector, with nothing to do; of a busy loop estimated from one of sixteen turns
	Engine  time.Duration // in turns, less the waits; estimated from the same
	Opened  int64         // ns of CLOCK_MONOTONIC

	AcceptFailures uint64

	Lag Histogram // by how much timers were late when their turn came
}

// choose is for the end of the turns of which Stats.Turns%timed is 0 or 1: the one before a turn whose time is taken, and
// that turn. A look at the clock is not for nothing: the others take none for this.
//
//go:noinline
func (e *Engine) choose() {
	m := &e.meters
	if e.stats.Turns%timed == 0 {
		e.slowly, m.timesWait = true, true // what the turn waits is to be left out
	} else if m.turnFrom != 0 {
		m.Engine += timed * max(0, time.Duration(e.clock.now()-m.turnFrom)-m.waited)
		m.turnFrom = 0
	}
}

// turnBegins is that of a turn whose time is taken.
//
//go:noinline
func (e *Engine) turnBegins() {
	e.slowly = false
	e.meters.turnFrom, e.meters.waited = e.clock.now(), 0
}

// timedWait asks the selector and takes how long that lasts. Of a busy loop, it stands for those before it that were not
// timed; a quiet one's waits are all timed.
//
//go:noinline
func (e *Engine) timedWait(timeout time.Duration) (int, error) {
	m := &e.meters
	m.timesWait, m.share = e.tempo.quiet(), 1
	if !m.timesWait {
		m.share = time.Duration(e.stats.Waits - m.waits)
	}
	m.waits = e.stats.Waits
	m.waitFrom = e.clock.now()
	n, err := e.sel.Select(e.events, timeout)
	m.waited = time.Duration(e.clock.now() - m.waitFrom)
	m.Waiting += m.share * m.waited
	m.waitFrom = 0
	return n, err
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

// Turns is how many turns have begun, for any goroutine.
//
//go:norace
func (e *Engine) Turns() uint64 { return e.stats.Turns }

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
		m.Waiting += time.Duration(now - m.waitFrom) // for itself alone until it ends: the sum never falls
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
