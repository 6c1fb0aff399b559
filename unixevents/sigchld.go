package unixevents

import "slices"

// sigchldWatcher looks at each of its children after a SIGCHLD, since one signal
// may stand for many. It costs a system call a child and signal.
//
// No end is missed:
//   - The host has handler and wake-up descriptor in place before a child is added. One
//     that ended before the look of AddChildHandler is found by it; of one that ends
//     later a byte is written.
//   - The kernel makes a child a zombie before it sends the signal. A second SIGCHLD
//     while one is pending is dropped, but that one is handled later than both ends.
//   - Ready takes the byte before it looks. What ends behind a look writes a byte
//     behind the read, and the selector reports a pipe as long as something is in it.
//   - A full pipe loses bytes. Then whole buffers are read, and scan follows each.
//   - Where the host's descriptor or handler was not in place, it asks for a scan
//     once it is: when a run begins, with the next child, and after
//     remove_signal_handler(SIGCHLD).
//
// What a program does behind the host's back ends the first of these: SIGCHLD that
// every thread blocks, or a handler or descriptor taken away, delays an end until it
// is put right, or until the next child or run.
type sigchldWatcher struct {
	byPid
	children *Children
	waiting  []*Process // in the order of AddChildHandler
}

func newSigchldWatcher(c *Children) (ChildWatcher, error) {
	signals, err := c.signals()
	if err != nil {
		return nil, err
	}
	w := &sigchldWatcher{children: c}
	signals.onSigchld = w.scan
	return w, nil
}

func (w *sigchldWatcher) Name() string { return "sigchld" }

// AddChildHandler looks at once, for the SIGCHLD may have come before.
func (w *sigchldWatcher) AddChildHandler(p *Process) error {
	w.waiting = append(w.waiting, p)
	w.children.ended(p)
	return nil
}

func (w *sigchldWatcher) RemoveChildHandler(p *Process) {
	if i := slices.Index(w.waiting, p); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
}

func (w *sigchldWatcher) scan() {
	for _, p := range slices.Clone(w.waiting) {
		w.children.ended(p)
	}
}

func (w *sigchldWatcher) Close() { w.waiting = nil }
