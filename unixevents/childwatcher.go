package unixevents

import (
	"errors"
	"slices"
	"syscall"
)

// ErrChildWatcher is returned for the name of a child watcher that this system
// does not have.
var ErrChildWatcher = errors.New("unixevents: no such child watcher on this system")

// ChildWatcher learns that children have ended. It looks at the pids that it was
// given and at no others: a program's other children are not its business.
//
// Each belongs to the thread that runs the loop.
type ChildWatcher interface {
	// Name is one of ChildWatchers.
	Name() string

	// AddChildHandler watches p, which may have ended already; then, or in a later
	// turn, it calls Children.ended. Errors: the system's, upon which p is not
	// watched; ESRCH when there is no such process any more.
	AddChildHandler(p *Process) error

	// RemoveChildHandler ends AddChildHandler.
	RemoveChildHandler(p *Process)

	// Reap takes the wait status of p without waiting: lost when there is nothing to
	// take any more.
	Reap(p *Process) (status int, ended bool)

	// SendSignal sends a signal to p and to no other process. Errors: ESRCH when it has
	// been reaped, or the system's.
	SendSignal(p *Process, sig syscall.Signal) error

	// Close frees what the watcher holds. The engine must be closed first.
	Close()
}

// ChildWatchers names what this system has, the best first:
//
//	pidfd    a descriptor a child in the selector (Linux 5.3)
//	sigchld  SIGCHLD through the pipe of Signals, then a look at each child
//	thread   a thread a child that waits for it: no needs, and no scale
func ChildWatchers() []string {
	if hasPidfd() {
		return []string{"pidfd", "sigchld", "thread"}
	}
	return []string{"sigchld", "thread"}
}

// numbered are the watchers of all systems by their number in ChildChoose, from 1.
var numbered = []string{"pidfd", "sigchld", "thread"}

// choose is SetChildWatcher and ChildWatcher by number; 0 leaves the choice as it is. Error: EINVAL.
func (c *Children) choose(number uint64) (int32, error) {
	if number > uint64(len(numbered)) {
		return 0, syscall.EINVAL
	}
	if number != 0 {
		if err := c.SetChildWatcher(numbered[number-1]); err != nil {
			return 0, syscall.EINVAL
		}
	}
	return int32(1 + slices.Index(numbered, c.ChildWatcher())), nil
}

// watcher opens one of ChildWatchers, once.
func (c *Children) watcher(name string) (ChildWatcher, error) {
	if w := c.watchers[name]; w != nil {
		return w, nil
	}
	var w ChildWatcher
	var err error
	switch name {
	case "pidfd":
		w, err = newPidfdWatcher(c)
	case "sigchld":
		w, err = newSigchldWatcher(c)
	default:
		w, err = newThreadWatcher(c)
	}
	if err == nil {
		c.watchers[name] = w
	}
	return w, err
}

// watch gives p to the first watcher that takes it: the chosen one, unless that is
// sigchld and SIGCHLD does not reach this engine, then a thread. A pidfd may be
// refused for want of a descriptor.
func (c *Children) watch(p *Process, sigchld bool) error {
	names := []string{c.ChildWatcher(), "thread"}
	if names[0] == "sigchld" && !sigchld {
		names = names[1:]
	}
	var err error
	for _, name := range names {
		var w ChildWatcher
		if w, err = c.watcher(name); err != nil {
			continue
		}
		p.watcher = w
		if err = w.AddChildHandler(p); err == nil || errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	p.watcher = nil
	return err
}
