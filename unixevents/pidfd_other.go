//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package unixevents

import (
	"syscall"

	"goloop/internal/sys"
)

func hasPidfd() bool { return false }

func newPidfdWatcher(*Children) (ChildWatcher, error) { return nil, syscall.ENOSYS }

// SendSignal implements ChildWatcher. The thread of a threadWatcher may have reaped
// the child within the last microseconds; SIGCHLD has no such gap.
func (byPid) SendSignal(p *Process, sig syscall.Signal) error { return sys.Kill(p.pid, sig) }

// awaitExit waits for a child and reaps it: not all of these systems can wait
// without doing so.
func awaitExit(pid int) (status int, reaped bool) { return awaitStatus(pid), true }
