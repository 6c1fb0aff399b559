package unixevents

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"goloop/loop"
)

// Process is a child that an engine watches.
//
//	watched ──it ends──▶ reaped ──▶ told (ChildExited), forgotten
//	watched ──another reaps it──▶ told with status -1, forgotten
//	watched ──ChildRemove──▶ forgotten, and nobody here reaps it
//
// Only the loop's thread reaps and only the loop's thread sends signals, so that
// none goes to the next owner of a reaped pid.
type Process struct {
	children *Children
	pid      int
	user     uint64
	watcher  ChildWatcher
}

// Children are the processes that one engine watches, each under a number (user)
// that its owner has chosen. They serve loop.OpChild.
type Children struct {
	engine    *loop.Engine
	signals   func() (*Signals, error)
	forced    string
	watchers  map[string]ChildWatcher // those that were opened
	processes map[uint64]*Process
}

// OpenChildren lets an engine serve OpChild. signals gives the engine's pipe; it
// is asked when a watcher needs SIGCHLD.
func OpenChildren(e *loop.Engine, signals func() (*Signals, error)) *Children {
	c := &Children{
		engine:    e,
		signals:   signals,
		watchers:  map[string]ChildWatcher{},
		processes: map[uint64]*Process{},
	}
	e.OnChild(c)
	return c
}

// SetChildWatcher forces a watcher for the children that are added from now on; an
// empty name leaves the choice. Error: ErrChildWatcher.
func (c *Children) SetChildWatcher(name string) error {
	if name != "" && !slices.Contains(ChildWatchers(), name) {
		return fmt.Errorf("%w: %q", ErrChildWatcher, name)
	}
	c.forced = name
	return nil
}

// ChildWatcher names the watcher of the next child.
func (c *Children) ChildWatcher() string {
	if c.forced != "" {
		return c.forced
	}
	return ChildWatchers()[0]
}

// Serve handles loop.OpChild.
func (c *Children) Serve(s *loop.Submission) {
	var err error
	switch s.Flags & loop.ChildAction {
	case loop.ChildAdd:
		err = c.add(int(s.Len), s.User, s.Flags&loop.FlagSigchld != 0)
	case loop.ChildRemove:
		if !c.remove(s.User) {
			err = syscall.ESRCH
		}
	case loop.ChildKill:
		err = c.kill(s.User, syscall.Signal(s.Fd))
	case loop.ChildScan:
		err = c.scan(s.Flags&loop.FlagSigchld != 0)
	case loop.ChildChoose:
		s.Res, err = c.choose(s.User)
	default:
		err = syscall.EINVAL
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		s.Res = int32(errno)
	}
}

// add watches a child. One that is gone already is told as ChildExited, not as an
// error. Errors: EINVAL for what is no pid of one process, EEXIST for a user that is
// taken, or the system's.
func (c *Children) add(pid int, user uint64, sigchld bool) error {
	if pid <= 0 || pid > maxPid {
		return syscall.EINVAL // wait4 takes it for a group of processes, or for any
	}
	if c.processes[user] != nil {
		return syscall.EEXIST
	}
	p := &Process{children: c, pid: pid, user: user}
	c.processes[user] = p
	c.count()
	err := c.watch(p, sigchld)
	if errors.Is(err, syscall.ESRCH) {
		c.tell(p, lost)
		return nil
	}
	if err != nil {
		delete(c.processes, user)
		c.count()
	}
	return err
}

// count tells the engine how many there are, for who observes it.
func (c *Children) count() { c.engine.CountChildren(len(c.processes)) }

// maxPid is the largest number that pid_t holds.
const maxPid = 1<<31 - 1

// remove forgets a child and reports whether there was one.
func (c *Children) remove(user uint64) bool {
	p := c.processes[user]
	if p != nil {
		c.forget(p)
	}
	return p != nil
}

func (c *Children) forget(p *Process) {
	delete(c.processes, p.user)
	c.count()
	p.watcher.RemoveChildHandler(p)
}

// kill sends a signal. Errors: ESRCH when the child has been reaped, or the
// system's.
func (c *Children) kill(user uint64, sig syscall.Signal) error {
	p := c.processes[user]
	if p == nil {
		return syscall.ESRCH
	}
	return p.watcher.SendSignal(p, sig)
}

// lost is the wait status of a child that another has reaped.
const lost = -1

// ended is what watchers call when p may have ended; it reports whether it has.
func (c *Children) ended(p *Process) bool {
	if c.processes[p.user] != p {
		return true // told, or removed meanwhile
	}
	status, ended := p.watcher.Reap(p)
	if ended {
		c.tell(p, status)
	}
	return ended
}

func (c *Children) tell(p *Process, status int) {
	c.forget(p)
	c.engine.Complete(loop.Completion{
		Kind: loop.ChildExited, Res: int32(p.pid), Len: int64(status), User: p.user,
	})
}

// scan looks at the children that wait for SIGCHLD, for some may have been missed
// while nobody read the pipe. When none will come any more, threads take over.
func (c *Children) scan(sigchld bool) error {
	w, open := c.watchers["sigchld"].(*sigchldWatcher)
	if !open {
		return nil
	}
	w.scan()
	if sigchld || len(w.waiting) == 0 {
		return nil
	}
	threads, err := c.watcher("thread")
	if err != nil {
		return err
	}
	for _, p := range slices.Clone(w.waiting) {
		if err := p.moveTo(threads); err != nil {
			return err
		}
	}
	return nil
}

// moveTo gives p to another watcher; after an error the old one has it.
func (p *Process) moveTo(w ChildWatcher) error {
	old := p.watcher
	if err := w.AddChildHandler(p); err != nil {
		return err
	}
	old.RemoveChildHandler(p)
	p.watcher = w
	return nil
}

// Close forgets all children and frees the watchers. The engine must be closed
// first.
func (c *Children) Close() {
	for _, p := range c.processes {
		c.forget(p)
	}
	for _, w := range c.watchers {
		w.Close()
	}
	clear(c.watchers)
}

// Returncode is a wait status in the form of Python's returncode: what the child
// gave to exit, the signal that killed it as a negative number, or 255 when
// another process, or other code of this one, has taken the status.
func Returncode(status int) int {
	w := syscall.WaitStatus(status)
	switch {
	case status == lost:
		return 255
	case w.Signaled():
		return -int(w.Signal())
	default:
		return w.ExitStatus()
	}
}
