package unixevents

import "slices"

// sigchldWatcher looks at each of its children after a SIGCHLD, since one signal
// may stand for many. It costs a system call a child and signal.
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
