//go:build unix

package unixevents

import (
	"syscall"

	"goloop/internal/sys"
)

// byPid is the part of a ChildWatcher that has nothing but the pid to name a child
// by.
type byPid struct{}

// Reap implements ChildWatcher.
func (byPid) Reap(p *Process) (status int, ended bool) {
	for {
		var w syscall.WaitStatus
		switch got, err := sys.Wait4(p.pid, &w, syscall.WNOHANG); err {
		case nil:
			return int(w), got == p.pid
		case syscall.EINTR:
		default:
			return lost, true
		}
	}
}

// awaitStatus waits until one child has ended and takes its wait status.
func awaitStatus(pid int) int {
	for {
		var w syscall.WaitStatus
		switch _, err := sys.Wait4(pid, &w, 0); err {
		case nil:
			return int(w)
		case syscall.EINTR:
		default:
			return lost
		}
	}
}
