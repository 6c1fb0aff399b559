package unixevents

import (
	"errors"
	"fmt"
	"syscall"

	"goloop/loop"
)

// ErrSignal is returned for a number that is no signal, or one that no process
// can catch.
var ErrSignal = errors.New("unixevents: signal cannot be caught")

// lastSignal is the highest number a signal has on Linux (NSIG-1); the BSDs' are
// lower.
const lastSignal = 64

// UnixSelectorEventLoop is loop.SelectorEventLoop with signals. It belongs to the
// same goroutine.
//
// It installs no handler: the process that hosts the loop has one for each
// signal that it wants to hear of, which writes the signal's number as one byte
// to WakeupFd, as CPython's does after signal.set_wakeup_fd.
type UnixSelectorEventLoop struct {
	*loop.SelectorEventLoop
	signals  *Signals
	handlers map[syscall.Signal]func()
}

// NewUnixSelectorEventLoop makes a loop and the pipe for its signals. Errors:
// those of loop.New, or the system's.
func NewUnixSelectorEventLoop(o loop.Options) (*UnixSelectorEventLoop, error) {
	inner, err := loop.NewSelectorEventLoop(o)
	if err != nil {
		return nil, err
	}
	signals, err := OpenSignals(inner.Engine())
	if err != nil {
		return nil, errors.Join(err, inner.Close())
	}
	l := &UnixSelectorEventLoop{inner, signals, map[syscall.Signal]func(){}}
	inner.OnSignal(l.handleSignal)
	return l, nil
}

// WakeupFd is where the host's signal handler writes: non-blocking, and open
// until Close.
func (l *UnixSelectorEventLoop) WakeupFd() int { return l.signals.WakeupFd() }

// AddSignalHandler calls callback after each byte of sig, instead of an earlier
// callback for sig. Errors: ErrSignal, loop.ErrClosed.
func (l *UnixSelectorEventLoop) AddSignalHandler(sig syscall.Signal, callback func()) error {
	if l.IsClosed() {
		return loop.ErrClosed
	}
	if sig <= 0 || sig > lastSignal || sig == syscall.SIGKILL || sig == syscall.SIGSTOP {
		return fmt.Errorf("%w: %d", ErrSignal, int(sig))
	}
	l.handlers[sig] = callback
	return nil
}

// RemoveSignalHandler ends AddSignalHandler and reports whether there was one.
func (l *UnixSelectorEventLoop) RemoveSignalHandler(sig syscall.Signal) bool {
	_, found := l.handlers[sig]
	delete(l.handlers, sig)
	return found
}

// handleSignal runs where asyncio's _handle_signal does, in the batch that
// brought the byte: the handler itself is a callback of the next turn.
func (l *UnixSelectorEventLoop) handleSignal(number int) {
	if callback := l.handlers[syscall.Signal(number)]; callback != nil {
		l.CallSoon(callback)
	}
}

// Close closes the loop, then the pipe, whose number the host must write to no
// more. Errors: those of loop.SelectorEventLoop.Close.
func (l *UnixSelectorEventLoop) Close() error {
	if l.IsClosed() {
		return nil
	}
	err := l.SelectorEventLoop.Close()
	if errors.Is(err, loop.ErrRunning) {
		return err
	}
	l.signals.Close()
	clear(l.handlers)
	return err
}
