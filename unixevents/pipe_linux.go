package unixevents

import (
	"syscall"

	"goloop/internal/sys"
)

// pipe opens a non-blocking pipe that is closed on exec.
func pipe(p *[2]int) error {
	return sys.Pipe2(p[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC)
}
