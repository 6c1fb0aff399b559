package loop

import (
	"math"
	"syscall"
	"time"

	"goloop/internal/sys"
	"goloop/selector"

	"golang.org/x/sys/unix"
)

// TurnFlags tell how a turn treats the selector.
type TurnFlags uint32

const (
	// TurnPoll asks the selector without waiting.
	TurnPoll TurnFlags = 1 << 0
	// TurnWait waits until something is ready, a timer is due or Wake is called.
	TurnWait TurnFlags = 1 << 1
	// TurnAside is for a turn inside the handling of a completion: it writes where Aside has said.
	TurnAside TurnFlags = 1 << 2
	// TurnLast is for the turns before Close, until one brings nothing: streams and datagram sockets are forgotten, and what they
	// have queued comes as Released. The selector is not asked.
	TurnLast TurnFlags = 1 << 3
)

// Turn is one turn of the loop, and the only call that a busy program makes:
//
//	completions left over ──▶ ┐
//	submissions ─────────────▶│ process: each in order; writes of one stream
//	                          │          leave together at the end
//	selector ────────────────▶│ wait, unless there is something to tell
//	                          │ dispatch: read, accept, flush; reads
//	                          │ beyond turnBytes are the next turn's first
//	lookups ─────────────────▶│ what goroutines have found
//	timers ──────────────────▶┘ due ones, by time, then by order of scheduling
//	        completions
//
// It returns how many completions it wrote from the start of the ring: first
// those of descriptors in the selector's order, then those of timers. What finds
// no room stays in the kernel, in the timer heap or in the backlog.
func (e *Engine) Turn(sq []Submission, flags TurnFlags) (int, error) {
	if e.slowly {
		if e.closed {
			return 0, ErrClosed
		}
		e.turnBegins()
	}
	if flags&TurnAside != 0 {
		e.swapAside()
	}
	e.stats.Turns += counted
	e.inTurn = true
	e.ncq, e.arenaEnd = 0, 0
	e.drainOverflow()
	if flags == TurnLast {
		e.forgetTransports()
		e.tellDropped()
		e.inTurn = false
		return e.ncq, nil
	}
	if len(sq) > 0 {
		e.process(sq)
	}
	e.tellDropped()
	e.tellLookups()
	e.spent = 0
	e.row = row{}
	var err error
	asks := flags&(TurnWait|TurnPoll) != 0 && len(e.deferred) == 0
	if asks {
		err = e.ask(flags)
	} else if len(e.deferred) > 0 {
		e.readDeferred()
	}
	e.tellLookups()
	e.fireTimers(asks)
	e.tellDropped()
	e.inTurn = false
	if flags&TurnAside != 0 {
		e.swapAside()
	}
	n := e.ncq
	e.stats.Completions += counted * uint64(n)
	if measured && e.stats.Turns&(timed-2) == 0 {
		e.choose()
	}
	return n, err
}

// Submit processes submissions at once, without a turn. Completions wait for
// the next one; Flags and Len of each Write, and Res of every other entry, tell
// its result at once.
func (e *Engine) Submit(sq []Submission) error {
	if e.closed {
		return ErrClosed
	}
	e.process(sq)
	return nil
}

func (e *Engine) drainOverflow() {
	if len(e.overflow) == 0 {
		return
	}
	n := copy(e.cq, e.overflow)
	e.ncq = n
	e.overflow = append(e.overflow[:0], e.overflow[n:]...)
	if len(e.overflow) == 0 && cap(e.overflow) > len(e.cq) {
		e.overflow = nil
	}
}

func (e *Engine) process(sq []Submission) {
	e.stats.Submissions += counted * uint64(len(sq))
	e.sq = sq
	for i := range sq {
		s := &sq[i]
		switch s.Op {
		case OpWrite:
			e.submitWrite(i, s, stream)
		case OpSend:
			e.submitWrite(i, s, datagram)
		case OpTimerAdd:
			e.addTimer(s)
		case OpTimersAdd:
			e.addTimers(s)
		case OpTimerReserve:
			if !e.timers.reserve(int(s.Len)) {
				s.Res = int32(syscall.ENOMEM)
			}
		case OpTimerCancel:
			e.stats.TimersCancelled += counted
			e.timers.cancel(timerName(s.User))
		case OpQueueReserve:
			if !e.chunks.reserve(int(s.Len)) {
				s.Res = int32(syscall.ENOMEM)
			}
		case OpNop:
		case OpAside:
			e.layAside(s)
		case OpBell:
			e.ringBell(s)
		case OpRoom:
			e.tellRoom(s)
		case OpAttach:
			e.attach(s)
		case OpDatagram:
			e.openDatagram(s)
		case OpListen:
			e.listen(s)
		case OpWatch:
			e.watch(s)
		case OpConnect:
			e.connect(s)
		case OpResolve:
			e.resolve(s)
		case OpChild:
			if e.onChild == nil {
				s.Res = int32(syscall.EINVAL)
			} else {
				e.onChild.Serve(s)
			}
		case OpPanic:
			panic("asked for by a test")
		default:
			e.control(s)
		}
	}
	if len(e.dirty) >= e.fewest {
		e.flushTogether()
	}
	for _, d := range e.dirty {
		if d.dirty {
			e.flush(d)
		}
	}
	e.dirty = e.dirty[:0]
	e.sq = nil
}

// control handles the operations on a descriptor that must exist. Writes that
// stand before one of them leave first.
//
// A Close ends each descriptor that is its owner's, and no other. The engine refuses a pair only
// when the system says that the number is not open (claim), so a pair that it does not know is
// such a one, or one that was closed, detached or followed by another owner's: there is nothing
// of the caller's to close. Of a pair that it knows, the number stays its owner's until he
// closes it, unless the system has said that it is closed (gone): by now it may be anyone's.
func (e *Engine) control(s *Submission) {
	d := e.lookup(s.Fd, s.Generation)
	if d == nil {
		s.Res = int32(syscall.EBADF)
		return
	}
	if !allows(d.kind, s.Op) {
		s.Res = int32(syscall.EINVAL)
		return
	}
	if d.dirty {
		e.flush(d)
	}
	switch s.Op {
	case OpShutdown:
		d.shutdown = true
		e.finishWriting(d)
	case OpPause:
		// The selector is told when data arrive in spite of it: a pause that is
		// soon followed by a resume costs no system call.
		d.paused = true
		e.near.loses(d)
	case OpResume:
		e.resume(d, s)
	case OpRead:
		e.hostRead(d, s)
	case OpDiscard:
		d.broken = d.kind == stream
		d.paused = true
		e.near.loses(d)
		e.dropQueue(d)
		e.refresh(d)
	case OpDetach:
		e.forget(d)
	case OpClose:
		gone := d.gone
		e.forget(d)
		if !gone {
			sys.Close(int(s.Fd))
		}
	default:
		s.Res = int32(syscall.EINVAL)
	}
}

// allows tells whether an operation that control handles is one for k.
func allows(k kind, op Op) bool {
	switch op {
	case OpDetach, OpClose:
		return true
	case OpPause, OpResume, OpDiscard:
		return k == stream || k == datagram
	}
	return k == stream
}

// ask is a turn's part with the selector. When it ends is the one reading of the clock
// in a turn without timers: that of the timers, of the pace and of the next poll.
func (e *Engine) ask(flags TurnFlags) error {
	var err error
	if len(e.lapsed) > 0 {
		e.endLapsed(false)
	}
	e.waited = false
	if flags&TurnWait != 0 && len(e.timers.names.Items) > keptTimers {
		e.timers.giveBack(e.looked, e.freshTimers())
	}
	if flags&TurnWait != 0 || e.sel.Len() > 0 {
		err = e.selectOnce(flags)
	}
	e.looked = e.clock.now()
	e.parked = e.waited && e.parks
	if e.waited && e.tempo.ended(e.looked) {
		e.parks = e.sel.SetQuiet(e.tempo.quiet())
	}
	return err
}

// selectOnce asks the selector and dispatches what is ready, until there is no
// room for more.
func (e *Engine) selectOnce(flags TurnFlags) error {
	n := e.recheck()
	if n == 0 {
		var err error
		timeout := e.timeout(flags)
		e.waited = timeout != 0
		if wanted := min(e.sel.Len()+1, maxEvents); wanted > len(e.events) { // the waker is one more
			e.events = make([]selector.Event, min(max(2*wanted, fewEvents), maxEvents))
		}
		ended := false // the wait, before it has begun
		if timeout != 0 && len(e.lapsed) > 0 {
			if n, ended, err = e.lookFirst(); err != nil {
				return err
			}
		}
		if ended {
			// there is something to serve, or Wake was called
		} else if measured && timeout != 0 && e.clock.counts {
			e.meters.waited -= counter()
			if n, err = e.sel.Select(e.events, timeout); err != nil {
				return e.waitFailed(err)
			}
			e.meters.waited += counter()
		} else if n, err = e.selectByClock(timeout); err != nil {
			return err
		}
	}
	e.stats.Events += counted * uint64(n)
	e.near.begins(n)
	ahead := 0 // how many events a batch has looked at
	for i := range n {
		if i >= ahead {
			ahead = i + e.receiveTogether(e.events[i:n])
		}
		ev := &e.events[i]
		d := e.lookup(ev.Fd, ev.Generation)
		if d != nil && d.fetched {
			e.readStream(d)
			continue
		}
		if e.room() < minRoom || e.arenaShort() {
			e.owed = copy(e.events, e.left(e.events[i:n]))
			e.near.ends(-1)
			return nil
		}
		if d == nil {
			continue
		}
		ready := ev.Ready
		if d.receives() && ready&selector.EventRead != 0 && e.full(d) {
			e.deferred = append(e.deferred, *ev)
			ready &^= selector.EventRead
		}
		e.dispatch(d, ready)
	}
	if n > 0 { // else a timer or the waker has ended the wait
		e.near.ends(n)
	}
	return nil
}

// readDeferred reads the descriptors that a full turn left, and those that this turn
// leaves again wait for the next. A turn of turnBytes keeps what is read,
// answered and written in the processor's cache.
func (e *Engine) readDeferred() {
	i, ahead := 0, 0
	for ; i < len(e.deferred); i++ {
		if i >= ahead {
			ahead = i + e.receiveTogether(e.deferred[i:])
		}
		ev := &e.deferred[i]
		d := e.lookup(ev.Fd, ev.Generation)
		if d != nil && d.fetched {
			e.readStream(d)
			continue
		}
		if e.room() < minRoom || e.arenaShort() {
			break
		}
		if d == nil || !d.receives() {
			continue
		}
		if e.full(d) {
			break
		}
		e.dispatch(d, selector.EventRead)
	}
	e.deferred = e.deferred[:copy(e.deferred, e.left(e.deferred[i:]))]
}

// full tells whether reading d has to wait for the next turn.
func (e *Engine) full(d *descriptor) bool {
	return e.spent >= turnBytes || e.arenaEnd > 0 && len(e.arena)-e.arenaEnd < int(d.most)+maxSockaddr
}

// timeout is how long the selector may wait.
func (e *Engine) timeout(flags TurnFlags) time.Duration {
	if flags&TurnWait == 0 || e.ncq > 0 || len(e.overflow) > 0 {
		return 0
	}
	deadline := e.shown(e.timers.deadline())
	if deadline == math.MaxInt64 {
		return -1
	}
	now := e.clock.now()
	if deadline <= now { // far enough past, their difference would overflow
		return 0
	}
	return time.Duration(deadline - now)
}

// recheck makes of the events that the last turn left those that are still true,
// and returns how many. They come before a new look at the selector, which would
// report others: so each descriptor that was reported is served, and none starves.
// It is poll(2) that tells, for a callback may have emptied a descriptor meanwhile
// and is not to be called for nothing.
func (e *Engine) recheck() int {
	if e.owed == 0 {
		return 0
	}
	fds := e.pollFds[:0]
	for i := range e.events[:e.owed] {
		ev := &e.events[i]
		if d := e.lookup(ev.Fd, ev.Generation); d != nil && d.registered != 0 {
			fds = append(fds, unix.PollFd{Fd: d.fd, Events: pollBits[d.registered]})
		}
	}
	e.pollFds, e.owed = fds, 0
	if _, err := sys.Poll(fds, 0); err != nil {
		return 0 // EINTR, or no memory: the selector reports them again
	}
	n := 0
	for i := range fds {
		d := e.fds[fds[i].Fd]
		var ready selector.Events
		got := fds[i].Revents &^ unix.POLLNVAL
		if got&^unix.POLLOUT != 0 { // a hang-up or an error is both directions
			ready = selector.EventRead
		}
		if got&^unix.POLLIN != 0 {
			ready |= selector.EventWrite
		}
		if ready &= d.registered; ready != 0 {
			e.events[n] = selector.Event{Fd: d.fd, Generation: d.generation, Ready: ready}
			n++
		}
	}
	return n
}

// pollBits is a set of directions in the words of poll(2).
var pollBits = [...]int16{
	selector.EventRead:                       unix.POLLIN,
	selector.EventWrite:                      unix.POLLOUT,
	selector.EventRead | selector.EventWrite: unix.POLLIN | unix.POLLOUT,
}

func (e *Engine) arenaShort() bool { return len(e.arena)-e.arenaEnd < minArena && e.arena != nil }

func (e *Engine) dispatch(d *descriptor, ready selector.Events) {
	switch d.kind {
	case stream:
		if ready&selector.EventRead != 0 {
			e.readStream(d)
		}
		if ready&selector.EventWrite != 0 && d.kind == stream {
			e.flushQueue(d)
		}
	case datagram:
		if ready&selector.EventRead != 0 {
			e.readDatagrams(d)
		}
		if ready&selector.EventWrite != 0 {
			e.flushDatagrams(d)
		}
	case watched:
		e.dispatchWatched(d, ready)
	case listener:
		e.accept(d)
	case source:
		d.special.source.Ready(e)
	}
}
