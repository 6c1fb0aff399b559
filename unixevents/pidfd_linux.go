package unixevents

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"goloop/internal/sys"
	"goloop/loop"

	"golang.org/x/sys/unix"
)

// hasPidfd asks the system once: a filter of system calls may refuse what the
// kernel has. Want of descriptors or of memory passes, and says nothing.
var hasPidfd = sync.OnceValue(askForPidfd)

func askForPidfd() bool {
	fd, err := sys.PidfdOpen(os.Getpid(), 0)
	switch err {
	case nil:
		sys.Close(fd)
		return true
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EINTR:
		return true
	}
	return false
}

// pidfdWatcher has a descriptor of each child in the engine's selector. It names
// the process, never its pid's next owner, so that reaping and signals are safe
// even when other code takes the child's status.
type pidfdWatcher struct {
	children *Children
	pidfds   map[*Process]*pidfd
	opened   uint32 // pidfds so far
}

// pidfd is a source of the engine.
type pidfd struct {
	process    *Process
	fd         int
	generation uint32
}

func newPidfdWatcher(c *Children) (ChildWatcher, error) {
	return &pidfdWatcher{children: c, pidfds: map[*Process]*pidfd{}}, nil
}

func (w *pidfdWatcher) Name() string { return "pidfd" }

func (w *pidfdWatcher) AddChildHandler(p *Process) error {
	fd, err := sys.PidfdOpen(p.pid, 0) // closed on exec
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	w.opened++
	d := &pidfd{p, fd, sourceGeneration | w.opened}
	if err := w.children.engine.AddSource(fd, d.generation, d); err != nil {
		sys.Close(fd)
		return err
	}
	w.pidfds[p] = d
	return nil
}

func (w *pidfdWatcher) RemoveChildHandler(p *Process) {
	if d := w.pidfds[p]; d != nil {
		w.children.engine.RemoveSource(d.fd, d.generation)
		sys.Close(d.fd)
		delete(w.pidfds, p)
	}
}

func (w *pidfdWatcher) Close() {}

// Ready implements loop.Source. A child that has ended and cannot be reaped has a
// tracer, which comes first: a thread waits for that, for the pidfd stays readable.
func (d *pidfd) Ready(*loop.Engine) {
	c := d.process.children
	if c.ended(d.process) {
		return
	}
	if threads, err := c.watcher("thread"); err == nil {
		_ = d.process.moveTo(threads)
	}
}

// Reap implements ChildWatcher.
func (w *pidfdWatcher) Reap(p *Process) (status int, ended bool) {
	var info siginfo
	switch err := waitid(unix.P_PIDFD, w.pidfds[p].fd, &info, unix.WEXITED|unix.WNOHANG); err {
	case nil:
		return info.waitStatus(), info.child.pid != 0
	case unix.ECHILD:
		return lost, true
	default: // EINVAL: Linux 5.3 has no P_PIDFD; or a filter
		return byPid{}.Reap(p)
	}
}

// SendSignal implements ChildWatcher.
func (w *pidfdWatcher) SendSignal(p *Process, sig syscall.Signal) error {
	err := sys.PidfdSendSignal(w.pidfds[p].fd, sig)
	if err == unix.ENOSYS || err == unix.EPERM { // filtered, or refused by kill(2) as well
		return byPid{}.SendSignal(p, sig)
	}
	return err
}

// SendSignal implements ChildWatcher. Between its look and the signal only other
// code of this process could reap the child.
func (byPid) SendSignal(p *Process, sig syscall.Signal) error {
	var info siginfo
	if waitid(unix.P_PID, p.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT) == unix.ECHILD {
		return syscall.ESRCH // no child of ours any more
	}
	return sys.Kill(p.pid, sig)
}

// siginfo is the part of siginfo_t that waitid fills.
type siginfo struct {
	signo, errno, code int32
	child              struct {
		_      [0]uintptr // the union is aligned as a pointer
		pid    int32
		uid    uint32
		status int32
	}
	_ [128]byte // more than the rest
}

// What code says of a child, from the kernel's siginfo.h.
const (
	cldExited = 1
	cldDumped = 3
)

// waitStatus is what wait4 would give.
func (i *siginfo) waitStatus() int {
	switch i.code {
	case cldExited:
		return int(i.child.status&0xff) << 8
	case cldDumped:
		return int(i.child.status) | 0x80
	default:
		return int(i.child.status)
	}
}

// awaitExit waits until a child has ended, and leaves it to be reaped.
func awaitExit(pid int) (status int, reaped bool) {
	var info siginfo
	switch err := waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT); err {
	case nil, unix.ECHILD:
		return 0, false
	default: // the first system of Windows for Linux has no waitid
		return awaitStatus(pid), true
	}
}

// waitid is waitid(2), again when a signal has ended it.
func waitid(idType, id int, info *siginfo, options int) error {
	for {
		err := sys.Waitid(idType, id, (*unix.Siginfo)(unsafe.Pointer(info)), options)
		if err != unix.EINTR {
			return err
		}
	}
}
