package selector

import (
	"encoding/binary"
	"os"
	"sync"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// wakeWord is what one wake-up writes: a native uint64(1).
var wakeWord = binary.NativeEndian.AppendUint64(nil, 1)

// waker is an eventfd: a counter in the kernel that is readable while it is not
// zero. Every write is an event for an edge-triggered epoll, whatever the counter
// holds, so epoll never reads it; 2^64-2 wake-ups fit. poll and select drain it.
type waker struct {
	// mu guards fd. Wake holds it for reading while it writes, so that Close
	// cannot free the number, and another thread take it for a file, in between.
	mu    sync.RWMutex
	fd    int
	count [8]byte // where drain reads to
}

func (w *waker) open() error {
	fd, err := sys.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	w.fd = fd
	return nil
}

// source is the descriptor that a wake-up makes readable.
func (w *waker) source() int { return w.fd }

// WakeFd is the descriptor that a wake-up is written to.
func (w *waker) WakeFd() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.fd
}

// Wake ends the current or the next Select.
func (w *waker) Wake() error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.fd < 0 {
		return ErrClosed
	}
	for {
		_, err := sys.Write(w.fd, wakeWord)
		switch err {
		case nil, unix.EAGAIN:
			return nil
		case unix.EINTR:
			continue
		}
		return os.NewSyscallError("write", err)
	}
}

// drain sets the counter to zero.
func (w *waker) drain() {
	_, _ = sys.Read(w.fd, w.count[:]) // EAGAIN: it was zero already
}

func (w *waker) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fd := w.fd
	w.fd = -1
	return os.NewSyscallError("close", sys.Close(fd))
}
