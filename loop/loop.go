package loop

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRunning is returned by RunForever and Close on a loop that runs.
var ErrRunning = errors.New("loop: event loop is already running")

// SelectorEventLoop is an event loop for callbacks written in Go, with asyncio's
// words and asyncio's order, over an Engine. One turn, as _run_once:
//
//	selector ──▶ wait, unless a callback is ready or the loop stops
//	ready    ──▶ what was ready when the selector returned,
//	             then readers and writers in its order, then due timers
//
// A callback that is scheduled during a turn runs in the next one.
//
// Its methods belong to the goroutine in RunForever, that is to its callbacks,
// or to the only goroutine that knows the loop while it does not run. Any
// goroutine may call CallSoonThreadsafe, Time, IsRunning and IsClosed.
type SelectorEventLoop struct {
	engine  *Engine
	running atomic.Bool

	// The loop's goroutine.
	ready       handles
	submissions []Submission // for the next turn
	completions []Completion
	timers      scheduled
	watches     []*watch // by descriptor
	stopping    bool
	onSignal    func(number int)
	onChild     func(c Completion)

	// mu guards what follows. Nothing is called while it is held, but Wake.
	mu         sync.Mutex
	threadsafe []*Handle // from CallSoonThreadsafe, not yet in ready
	asleep     bool      // the loop may be in the selector, and nobody has woken it
	closed     bool
}

// Sizes of the rings of a SelectorEventLoop: what finds no room waits for the
// next turn, or leaves before it.
const (
	completionRing = 1024
	submissionRing = 256
)

// NewSelectorEventLoop opens an engine and makes a loop of it. The completion
// ring may be nil, for one of the loop's own; no arena is needed. Errors: those
// of New.
func NewSelectorEventLoop(o Options) (*SelectorEventLoop, error) {
	if o.Completions == nil {
		o.Completions = make([]Completion, completionRing)
	}
	engine, err := New(o)
	if err != nil {
		return nil, err
	}
	return &SelectorEventLoop{
		engine:      engine,
		completions: o.Completions,
		submissions: make([]Submission, 0, submissionRing),
	}, nil
}

// Engine is what the loop runs on, for AddSource and Stats. Its turns are the
// loop's alone.
func (l *SelectorEventLoop) Engine() *Engine { return l.engine }

// Time is the loop's clock: CLOCK_MONOTONIC, with the resolution of nanoseconds.
func (l *SelectorEventLoop) Time() time.Duration { return time.Duration(l.engine.Now()) }

// CallSoon schedules callback for the next turn, behind all that is scheduled.
// It panics with ErrClosed on a closed loop, as the other CallXxx do, where
// asyncio raises.
func (l *SelectorEventLoop) CallSoon(callback func()) *Handle {
	l.checkOpen()
	h := &Handle{callback: callback}
	l.ready.push(h)
	return h
}

// CallSoonThreadsafe is CallSoon for any goroutine, and wakes the loop. Only the
// loop's goroutine may cancel the handle. Error: ErrClosed; a loop that is closed
// later drops the callback.
func (l *SelectorEventLoop) CallSoonThreadsafe(callback func()) (*Handle, error) {
	h := &Handle{callback: callback}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrClosed
	}
	l.threadsafe = append(l.threadsafe, h)
	wake := l.asleep
	l.asleep = false // one wake-up is enough
	l.mu.Unlock()
	if wake {
		if err := l.engine.Wake(); err != nil && !l.IsClosed() {
			l.mu.Lock()
			l.asleep = true // the next one tries again
			l.mu.Unlock()
			return h, err
		}
	}
	return h, nil
}

// OnSignal sets what is called, as a callback of its own, for each Signal that a
// Source of the engine completes. Package unixevents uses it.
func (l *SelectorEventLoop) OnSignal(callback func(number int)) { l.onSignal = callback }

// OnChildExited sets what is called, as a callback of its own, for each ChildExited.
// Package unixevents uses it.
func (l *SelectorEventLoop) OnChildExited(callback func(c Completion)) { l.onChild = callback }

// Stop ends RunForever after the turn under way; before RunForever, after its
// first turn, which does not wait.
func (l *SelectorEventLoop) Stop() { l.stopping = true }

// IsRunning reports whether a goroutine is in RunForever.
func (l *SelectorEventLoop) IsRunning() bool { return l.running.Load() }

// IsClosed reports whether Close was called.
func (l *SelectorEventLoop) IsClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *SelectorEventLoop) checkOpen() {
	if l.engine.closed {
		panic(ErrClosed)
	}
}

// RunForever runs turns until Stop. A panic of a callback goes through it, as a
// KeyboardInterrupt goes through asyncio's: what was ready behind that callback
// stays so, and the loop may be run again. Errors: ErrClosed, ErrRunning, or the
// system's when the selector fails.
func (l *SelectorEventLoop) RunForever() error {
	if !l.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer func() {
		l.stopping = false
		l.running.Store(false)
	}()
	if l.engine.closed {
		return ErrClosed
	}
	for {
		if err := l.runOnce(); err != nil || l.stopping {
			return err
		}
	}
}

func (l *SelectorEventLoop) runOnce() error {
	flags := TurnPoll
	if l.fallAsleep() {
		flags = TurnWait
	}
	n, err := l.engine.Turn(l.submissions, flags)
	l.submissions = l.submissions[:0]
	l.wakeUp()
	for i := range l.completions[:n] {
		l.complete(&l.completions[i])
	}
	if err != nil {
		return err
	}
	for range l.ready.size {
		if h := l.ready.pop(); !h.cancelled {
			h.callback()
		}
	}
	return nil
}

// fallAsleep takes what other goroutines have scheduled and reports whether the
// turn may wait. From then on the first of them wakes the selector: it either
// appends before the look at threadsafe here, or sees asleep.
func (l *SelectorEventLoop) fallAsleep() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeThreadsafe()
	l.asleep = l.ready.size == 0 && !l.stopping
	return l.asleep
}

// wakeUp ends fallAsleep. What came during the wait is ready before its events.
func (l *SelectorEventLoop) wakeUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = false
	l.takeThreadsafe()
}

func (l *SelectorEventLoop) takeThreadsafe() {
	for i, h := range l.threadsafe {
		l.ready.push(h)
		l.threadsafe[i] = nil
	}
	l.threadsafe = l.threadsafe[:0]
}

// complete makes a callback of a completion.
func (l *SelectorEventLoop) complete(c *Completion) {
	switch c.Kind {
	case TimerDue:
		if h := l.timers.take(uint32(c.User), uint32(c.User>>32)); h != nil {
			l.ready.push(&h.Handle)
		}
	case WatchReady:
		if h := l.watching(int(c.Fd), uint32(c.Flags)); h != nil && l.watches[c.Fd].generation == c.Generation {
			l.ready.push(h)
		}
	case Signal:
		if number := int(c.Res); l.onSignal != nil {
			l.ready.push(&Handle{callback: func() { l.onSignal(number) }})
		}
	case ChildExited:
		if exited := *c; l.onChild != nil {
			l.ready.push(&Handle{callback: func() { l.onChild(exited) }})
		}
	}
}

// submit hands s over with the next turn, or earlier when the ring is full.
func (l *SelectorEventLoop) submit(s Submission) {
	if len(l.submissions) == cap(l.submissions) {
		_ = l.engine.Submit(l.submissions) // its error is ErrClosed, which the caller has ruled out
		l.submissions = l.submissions[:0]
	}
	l.submissions = append(l.submissions, s)
}

// Close drops what is scheduled and frees the selector. Watched descriptors stay
// open. Errors: ErrRunning, or the system's; a second Close gives nil.
func (l *SelectorEventLoop) Close() error {
	if !l.running.CompareAndSwap(false, true) { // keeps RunForever out meanwhile
		return ErrRunning
	}
	defer l.running.Store(false)
	l.mu.Lock()
	l.closed = true
	l.threadsafe = nil
	l.mu.Unlock()
	l.ready, l.timers, l.watches = handles{}, scheduled{}, nil
	l.submissions = l.submissions[:0]
	return l.engine.Close()
}
