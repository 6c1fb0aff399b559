package unixevents

import "syscall"

// pipe opens a non-blocking pipe that is closed on exec.
func pipe(p *[2]int) error {
	return syscall.Pipe2(p[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC)
}
