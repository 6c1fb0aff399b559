//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package selector

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"syscall"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// wakeWord is what one wake-up writes: a native uint64(1), as an eventfd takes.
var wakeWord = binary.NativeEndian.AppendUint64(nil, 1)

// waker is a pipe, drained by the Select that it ends. A full pipe refuses the
// next wake-up, which is as good: thousands are pending in it.
type waker struct {
	// mu guards the ends. Wake holds it for reading while it writes, so that Close
	// cannot free the number, and another thread take it for a file, in between.
	mu    sync.RWMutex
	read  int
	write int
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

// source is the descriptor that a wake-up makes readable.
func (w *waker) source() int { return w.read }

// WakeFd is the descriptor that a wake-up is written to.
func (w *waker) WakeFd() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.write
}

// Wake ends the current or the next Select.
func (w *waker) Wake() error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.write < 0 {
		return ErrClosed
	}
	for {
		_, err := sys.Write(w.write, wakeWord)
		switch err {
		case nil, unix.EAGAIN:
			return nil
		case unix.EINTR:
			continue
		}
		return os.NewSyscallError("write", err)
	}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	read, write := w.read, w.write
	w.read, w.write = -1, -1
	return errors.Join(os.NewSyscallError("close", sys.Close(read)), os.NewSyscallError("close", sys.Close(write)))
}
