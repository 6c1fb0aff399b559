//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package unixevents

import "syscall"

// pipe opens a non-blocking pipe that is closed on exec.
func pipe(p *[2]int) error {
	if err := syscall.Pipe(p[:]); err != nil {
		return err
	}
	for _, fd := range p {
		syscall.CloseOnExec(fd)
		if err := syscall.SetNonblock(fd, true); err != nil {
			syscall.Close(p[0])
			syscall.Close(p[1])
			return err
		}
	}
	return nil
}
