package selector

import (
	"os"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// waker is an eventfd: a counter in the kernel that is readable while it is not
// zero. Every write is an event for an edge-triggered epoll, whatever the counter
// holds, so epoll never reads it; 2^64-2 wake-ups fit. poll and select drain it.
type waker struct {
	wakeEnds
	count [8]byte // where drain reads to
}

func (w *waker) open() error {
	fd, err := sys.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	w.read, w.write = fd, fd
	return nil
}

// drain sets the counter to zero.
func (w *waker) drain() {
	_, _ = sys.Read(w.read, w.count[:]) // EAGAIN: it was zero already
}

func (w *waker) close() error {
	fd, _ := w.take()
	return os.NewSyscallError("close", sys.Close(fd))
}
