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

// UnixSelectorEventLoop is loop.SelectorEventLoop with signals and child processes.
// It belongs to the same goroutine.
//
// It installs no handler: the process that hosts the loop has one for each
// signal that it wants to hear of, which writes the signal's number as one byte
// to WakeupFd, as CPython's does after signal.set_wakeup_fd.
type UnixSelectorEventLoop struct {
	*loop.SelectorEventLoop
	signals  *Signals
	handlers map[syscall.Signal]func()
	children *Children
	watched  map[int]*childHandler // by pid
	byUser   map[uint64]*childHandler
	users    uint64 // numbers given to children so far
	sigchld  bool   // the host has said that SIGCHLD comes
}

// childHandler is what AddChildHandler has been given.
type childHandler struct {
	pid      int
	user     uint64
	callback func(pid, returncode int)
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
	l := &UnixSelectorEventLoop{
		SelectorEventLoop: inner,
		signals:           signals,
		handlers:          map[syscall.Signal]func(){},
		watched:           map[int]*childHandler{},
		byUser:            map[uint64]*childHandler{},
	}
	l.children = OpenChildren(inner.Engine(), func() (*Signals, error) { return signals, nil })
	inner.OnSignal(l.handleSignal)
	inner.OnChildExited(l.childExited)
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

// SetChildWatcher forces one of ChildWatchers for the children that are added from
// now on. With "sigchld" the host promises to write SIGCHLD to WakeupFd. Error:
// ErrChildWatcher.
func (l *UnixSelectorEventLoop) SetChildWatcher(name string) error {
	err := l.children.SetChildWatcher(name)
	if err == nil {
		l.sigchld = name == "sigchld"
	}
	return err
}

// AddChildHandler calls callback once, with what Returncode says of it, when the
// child pid has ended, which may be so already; instead of an earlier callback for
// pid. It reaps that child and no other. Errors: loop.ErrClosed, EINVAL for a pid
// that is not positive, or the system's.
func (l *UnixSelectorEventLoop) AddChildHandler(pid int, callback func(pid, returncode int)) error {
	if l.IsClosed() {
		return loop.ErrClosed
	}
	if h := l.watched[pid]; h != nil {
		h.callback = callback
		return nil
	}
	l.users++
	if err := l.children.add(pid, l.users, l.sigchld); err != nil {
		return err
	}
	h := &childHandler{pid, l.users, callback}
	l.watched[pid], l.byUser[h.user] = h, h
	return nil
}

// RemoveChildHandler ends AddChildHandler and reports whether there was one. The
// child is then the caller's to reap.
func (l *UnixSelectorEventLoop) RemoveChildHandler(pid int) bool {
	h := l.watched[pid]
	if h != nil {
		l.children.remove(h.user) // may have ended: then childExited finds no handler
		delete(l.watched, pid)
		delete(l.byUser, h.user)
	}
	return h != nil
}

// SendSignal sends a signal to a child that AddChildHandler watches, and to no later
// owner of its pid. Errors: ESRCH when it is not watched or has been reaped, or the
// system's.
func (l *UnixSelectorEventLoop) SendSignal(pid int, sig syscall.Signal) error {
	h := l.watched[pid]
	if h == nil {
		return syscall.ESRCH
	}
	return l.children.kill(h.user, sig)
}

func (l *UnixSelectorEventLoop) childExited(c loop.Completion) {
	h := l.byUser[c.User]
	if h == nil {
		return
	}
	delete(l.watched, h.pid)
	delete(l.byUser, h.user)
	h.callback(h.pid, Returncode(int(c.Len)))
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
	l.children.Close()
	l.signals.Close()
	clear(l.handlers)
	clear(l.watched)
	clear(l.byUser)
	return err
}
