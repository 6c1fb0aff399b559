package loop

import (
	"math"
	"syscall"
	"time"

	"goloop/selector"
)

// TurnFlags tell how a turn treats the selector.
type TurnFlags uint32

const (
	// TurnPoll asks the selector without waiting.
	TurnPoll TurnFlags = 1 << 0
	// TurnWait waits until something is ready, a timer is due or Wake is called.
	TurnWait TurnFlags = 1 << 1
)

// Turn is one turn of the loop, and the only call that a busy program makes:
//
//	completions left over ──▶ ┐
//	submissions ─────────────▶│ process: each in order; writes of one stream
//	                          │          leave together at the end
//	selector ────────────────▶│ wait, unless there is something to tell
//	                          │ dispatch: read, accept, flush, connect
//	timers ──────────────────▶┘ due ones, by time, then by order of scheduling
//	        completions
//
// It returns how many completions it wrote from the start of the ring: first
// those of descriptors in the selector's order, then those of timers. What finds
// no room stays in the kernel, in the timer heap or in the backlog.
func (e *Engine) Turn(sq []Submission, flags TurnFlags) (int, error) {
	if e.closed {
		return 0, ErrClosed
	}
	e.stats.Turns++
	e.inTurn = true
	e.ncq, e.arenaEnd = 0, 0
	e.drainOverflow()
	e.process(sq)
	var err error
	if flags&TurnWait != 0 || (flags&TurnPoll != 0 && e.sel.Len() > 0) {
		err = e.selectOnce(flags)
	}
	e.fireTimers()
	e.inTurn = false
	e.stats.Completions += uint64(e.ncq)
	return e.ncq, err
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
}

func (e *Engine) process(sq []Submission) {
	e.stats.Submissions += uint64(len(sq))
	e.sq = sq
	for i := range sq {
		s := &sq[i]
		switch s.Op {
		case OpWrite:
			e.submitWrite(i, s)
		case OpTimerAdd:
			e.stats.TimersAdded++
			e.timers.add(uint32(s.User), s.Generation, s.Len)
		case OpTimerCancel:
			e.stats.TimersCancelled++
			e.timers.cancel(uint32(s.User), s.Generation)
		case OpNop:
		case OpAttach:
			e.attach(s)
		case OpListen:
			e.listen(s)
		case OpConnect:
			e.connect(s)
		case OpWatch:
			e.watch(s)
		case OpPanic:
			panic("asked for by a test")
		default:
			e.control(s)
		}
	}
	for _, d := range e.dirty {
		if d.dirty {
			e.flushWrites(d)
		}
	}
	e.dirty = e.dirty[:0]
	e.sq = nil
}

// control handles the operations on a descriptor that must exist. Writes that
// stand before one of them leave first.
func (e *Engine) control(s *Submission) {
	d := e.lookup(s.Fd, s.Generation)
	if d == nil {
		s.Res = int32(syscall.EBADF)
		return
	}
	if d.kind != stream && s.Op != OpDetach && s.Op != OpClose {
		s.Res = int32(syscall.EINVAL)
		return
	}
	if d.dirty {
		e.flushWrites(d)
	}
	switch s.Op {
	case OpShutdown:
		d.shutdown = true
		e.finishWriting(d)
	case OpPause:
		// The selector is told when data arrive in spite of it: a pause that is
		// soon followed by a resume costs no system call.
		d.paused = true
	case OpResume:
		d.paused = false
		e.refresh(d)
	case OpDiscard:
		d.broken = true
		e.dropQueue(d)
		e.refresh(d)
	case OpDetach:
		e.forget(d)
	case OpClose:
		e.forget(d)
		syscall.Close(int(s.Fd))
	default:
		s.Res = int32(syscall.EINVAL)
	}
}

// selectOnce asks the selector and dispatches what is ready.
func (e *Engine) selectOnce(flags TurnFlags) error {
	timeout := time.Duration(0)
	if flags&TurnWait != 0 && e.ncq == 0 && len(e.overflow) == 0 {
		e.stats.Waits++
		timeout = -1
		if deadline := e.timers.deadline(); deadline != math.MaxInt64 {
			timeout = 0
			if now := e.clock.now(); deadline > now { // their difference may overflow if not
				timeout = time.Duration(deadline - now)
			}
		}
	}
	n, err := e.sel.Select(e.events[:], timeout)
	if err != nil || n == 0 {
		return err
	}
	e.stats.Events += uint64(n)
	start := e.resumeAt(e.events[:n])
	for i := range n {
		j := start + i
		if j >= n {
			j -= n
		}
		ev := &e.events[j]
		if e.room() < minRoom || e.arenaShort() {
			e.resume = ev.Fd
			break
		}
		if d := e.lookup(ev.Fd, ev.Generation); d != nil {
			e.dispatch(d, ev.Ready)
		}
	}
	return nil
}

// resumeAt is where among events to begin. The selector reports what stays ready
// in the same cyclic order each time, so a turn that ran out of room is followed
// by one that starts with the descriptor where it stopped, and none starves. When
// that one is not ready any more, the selector's first has waited longest.
func (e *Engine) resumeAt(events []selector.Event) int {
	if e.resume < 0 {
		return 0
	}
	fd := e.resume
	e.resume = -1
	for i := range events {
		if events[i].Fd == fd {
			return i
		}
	}
	return 0
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
	case watched:
		if ready&selector.EventRead != 0 {
			e.Complete(Completion{Kind: WatchReady, Flags: FlagRead, Fd: d.fd, Generation: d.generation})
		}
		if ready&selector.EventWrite != 0 {
			e.Complete(Completion{Kind: WatchReady, Flags: FlagWrite, Fd: d.fd, Generation: d.generation})
		}
	case listener:
		e.accept(d)
	case connecting:
		e.connected(d)
	case source:
		d.source.Ready(e)
	}
}

func (e *Engine) fireTimers() {
	if e.timers.deadline() == math.MaxInt64 {
		return
	}
	now := e.clock.now()
	for e.room() > 0 {
		t, ok := e.timers.pop(now)
		if !ok {
			return
		}
		if t.generation == 0 {
			e.endBackoff(int32(t.id))
			continue
		}
		e.stats.TimersFired++
		e.Complete(Completion{Kind: TimerDue, User: uint64(t.id), Generation: t.generation})
	}
}
