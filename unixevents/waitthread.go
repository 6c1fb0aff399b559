package unixevents

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"syscall"

	"goloop/internal/sys"
	"goloop/loop"
)

// threadWatcher has a thread a child, which is in a blocking wait.
// Where the system can wait without reaping, that is left to the loop's thread.
type threadWatcher struct {
	byPid
	children *Children
	read     int // a source of the engine: readable while ended is not empty

	// mu guards what follows, which the threads share.
	mu     sync.Mutex
	write  int // -1 once closed
	ended  []exit
	failed error // a panic of a thread
}

// exit is what a thread has learnt.
type exit struct {
	process *Process
	status  int
	reaped  bool // the status is taken
}

func newThreadWatcher(c *Children) (ChildWatcher, error) {
	var p [2]int
	if err := pipe(&p); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	w := &threadWatcher{children: c, read: p[0], write: p[1]}
	if err := c.engine.AddSource(w.read, sourceGeneration, w); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *threadWatcher) Name() string { return "thread" }

func (w *threadWatcher) AddChildHandler(p *Process) error {
	return w.children.engine.StartThread(func() { w.wait(p, p.pid) })
}

// RemoveChildHandler leaves the thread where it is: what it learns is dropped.
func (w *threadWatcher) RemoveChildHandler(p *Process) {}

func (w *threadWatcher) wait(p *Process, pid int) {
	defer func() {
		if r := recover(); r != nil {
			w.post(nil, fmt.Errorf("%v\n%s", r, debug.Stack()))
		}
	}()
	status, reaped := awaitExit(pid)
	w.post(&exit{p, status, reaped}, nil)
}

// post hands over to the loop's thread. After Close it does nothing.
func (w *threadWatcher) post(x *exit, failed error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.write < 0 {
		return
	}
	if x != nil {
		w.ended = append(w.ended, *x)
	} else {
		w.failed = failed
	}
	for {
		if _, err := sys.Write(w.write, []byte{1}); err != syscall.EINTR {
			return // a full pipe is readable already
		}
	}
}

// Ready implements loop.Source, for the pipe. A panic of a thread becomes one of
// the turn, which closes the loop and tells why.
func (w *threadWatcher) Ready(*loop.Engine) {
	var buf [256]byte
	_, _ = sys.Read(w.read, buf[:])
	w.mu.Lock()
	ended, failed := w.ended, w.failed
	w.ended = nil
	w.mu.Unlock()
	if failed != nil {
		panic(failed)
	}
	for _, x := range ended {
		switch c := w.children; {
		case c.processes[x.process.user] != x.process: // removed meanwhile
		case x.reaped:
			c.tell(x.process, x.status)
		case !c.ended(x.process):
			// A wait that was cut short. Without a thread for another the status stays unknown.
			if w.AddChildHandler(x.process) != nil {
				c.tell(x.process, lost)
			}
		}
	}
}

func (w *threadWatcher) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.write >= 0 {
		sys.Close(w.read)
		sys.Close(w.write)
		w.write = -1
	}
	w.ended = nil
}
