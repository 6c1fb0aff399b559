//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package selector

import (
	"errors"
	"os"
	"syscall"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// waker is a pipe, drained by the Select that it ends. A full pipe refuses the
// next wake-up, which is as good: thousands are pending in it.
type waker struct {
	wakeEnds
	spare [512]byte // where drain reads to
}

func (w *waker) open() error {
	// The lock keeps a process that another goroutine starts from inheriting the
	// ends before they are marked: macOS has no pipe2.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	var ends [2]int
	if err := sys.Pipe(ends[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	for _, fd := range ends {
		sys.CloseOnExec(fd)
		if err := sys.SetNonblock(fd, true); err != nil {
			return errors.Join(os.NewSyscallError("fcntl", err), sys.Close(ends[0]), sys.Close(ends[1]))
		}
	}
	w.read, w.write = ends[0], ends[1]
	return nil
}

// drain empties the pipe. A short read has emptied it; so has EAGAIN.
func (w *waker) drain() {
	for {
		n, err := sys.Read(w.read, w.spare[:])
		if err != unix.EINTR && n < len(w.spare) {
			return
		}
	}
}

func (w *waker) close() error {
	read, write := w.take()
	return errors.Join(os.NewSyscallError("close", sys.Close(read)), os.NewSyscallError("close", sys.Close(write)))
}
