//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package unixevents

import (
	"goloop/internal/sys"
)

// pipe opens a non-blocking pipe that is closed on exec.
func pipe(p *[2]int) error {
	if err := sys.Pipe(p[:]); err != nil {
		return err
	}
	for _, fd := range p {
		sys.CloseOnExec(fd)
		if err := sys.SetNonblock(fd, true); err != nil {
			sys.Close(p[0])
			sys.Close(p[1])
			return err
		}
	}
	return nil
}
