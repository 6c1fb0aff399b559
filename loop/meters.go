package loop

import (
	"time"
)

// Phases of a loop, as abi.h has them, and PhaseWaiting, which is that of PhaseEngine while IsWaiting.
const (
	PhaseIdle uint32 = iota
	PhasePython
	PhaseEngine
	PhaseWaiting
	PhaseGIL
)

// timed: of so many turns, one's time is taken. A power of two.
const timed = 64

// Meters is what is measured of an engine while it works. Ticks are made a time when a turn whose time is taken ends: what
// is between two such ends is a stretch.
//
// Observe reads while the engine writes, in an order in which what it finds half written is too little.
type Meters struct {
	waited    int64 // ticks, of the stretch, less the tick when the wait under way began: less than 0 while there is one
	turnFrom  int64 // tick, when a turn whose time is taken began; 0: it is not
	turnWaits int64 // waited then
	since     int64 // ns of CLOCK_MONOTONIC when the stretch began,
	sinceTick int64 // and tick

	Waiting time.Duration // in the selector, with nothing to do
	Engine  time.Duration // in turns, less the waits; estimated from one of timed
	Opened  int64         // ns of CLOCK_MONOTONIC

	AcceptFailures uint64

	Lag Histogram // by how much timers were late when their turn came
}

// selectByClock asks the selector where it does not wait, or where the counter is not to be had.
func (e *Engine) selectByClock(timeout time.Duration) (int, error) {
	if !measured || timeout == 0 {
		return e.sel.Select(e.events, timeout)
	}
	e.meters.waited -= nanotime()
	n, err := e.sel.Select(e.events, timeout)
	e.meters.waited += nanotime()
	return n, err
}

// waitFailed ends the wait in which the selector failed.
//
//go:noinline
func (e *Engine) waitFailed(err error) error {
	e.meters.waited += counter()
	return err
}

// choose is for the end of the turns of which Stats.Turns%timed is 0 or 1: the one before a turn whose time is taken, and
// that turn. A look at the clock is not for nothing: the others take none for this.
//
//go:noinline
func (e *Engine) choose() {
	m := &e.meters
	if e.stats.Turns%timed == 0 {
		e.slowly = true
	} else if m.turnFrom != 0 {
		m.settle(e.clock.tick(), e.clock.now())
		m.turnFrom = 0
	}
}

// turnBegins is that of a turn whose time is taken.
//
//go:noinline
func (e *Engine) turnBegins() {
	e.slowly = false
	if measured {
		e.meters.turnFrom, e.meters.turnWaits = e.clock.tick(), e.meters.waited
	}
}

// settle ends a stretch with a turn whose time is taken.
func (m *Meters) settle(tick, now int64) {
	span, length := tick-m.sinceTick, now-m.since
	waited, worked := m.waited, tick-m.turnFrom-(m.waited-m.turnWaits)
	m.waited = 0
	m.since = now
	m.sinceTick = tick
	m.Waiting += part(waited, span, length)
	m.Engine += timed * part(worked, span, length)
}

// part is the length of so many ticks, of a span of them that took length.
func part(ticks, span, length int64) time.Duration {
	if ticks <= 0 || span <= 0 || length <= 0 {
		return 0 // the counter has begun anew
	}
	return time.Duration(float64(length) * min(1, float64(ticks)/float64(span)))
}

// waiting is how long the engine has waited, by an observer's clocks. The sum that it tells never falls.
//
//go:norace
func (e *Engine) waiting() time.Duration {
	m := &e.meters
	tick, now := e.clock.tick(), e.clock.now() // first: what ends meanwhile does not count until then
	sum, waited := peek((*int64)(&m.Waiting)), peek(&m.waited)
	sinceTick := peek(&m.sinceTick)
	since := peek(&m.since)
	if waited < 0 {
		waited += tick
	}
	sum += int64(part(waited, tick-sinceTick, now-since))
	for {
		told := e.told.Load()
		if sum <= told {
			return time.Duration(told)
		}
		if e.told.CompareAndSwap(told, sum) {
			return time.Duration(sum)
		}
	}
}

// peek reads a number that the engine may be writing, in the order of the calls.
//
//go:noinline
//go:norace
func peek(p *int64) int64 { return *p }

// IsWaiting tells, from any goroutine, whether the engine is in the selector until something happens.
func (e *Engine) IsWaiting() bool { return peek(&e.meters.waited) < 0 }

// Census is how many descriptors of each kind an engine has, and what they hold.
type Census struct {
	Streams, Pipes, Datagrams, Servers, Watched int
	Paused                                      int   // streams and datagram sockets that are not read
	QueuedBytes                                 int64 // that wait to be written
	Timers, Lookups, Children                   int
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
	o.Meters.Waiting = e.waiting()
	if fds != nil {
		for _, d := range *fds {
			if d != nil {
				o.count(now, d, peers)
			}
		}
	}
	o.Census.Timers = max(0, len(e.timers.heap.Items)-e.timers.gone-e.timers.cancelled)
	if f := e.fresh; f != nil {
		o.Census.Timers += int(f.Live)
	}
	o.Census.Lookups, o.Census.Children = e.Lookups(), int(e.children.Load())
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
