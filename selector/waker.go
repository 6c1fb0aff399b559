package selector

import (
	"encoding/binary"
	"os"
	"sync"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// wakeWord is what one wake-up writes: a native uint64(1), as an eventfd takes.
var wakeWord = binary.NativeEndian.AppendUint64(nil, 1)

// wakeEnds are the descriptors of a wake-up: it is written to one and makes the other readable. On Linux both are the same.
type wakeEnds struct {
	// mu guards the ends. Wake holds it for reading while it writes, so that Close
	// cannot free the number, and another thread take it for a file, in between.
	mu    sync.RWMutex
	read  int
	write int
}

// source is the descriptor that a wake-up makes readable.
func (w *wakeEnds) source() int { return w.read }

// WakeFd is the descriptor that a wake-up is written to.
func (w *wakeEnds) WakeFd() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.write
}

// Wake ends the current or the next Select.
func (w *wakeEnds) Wake() error {
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

// take is the ends, which are nobody's from now on.
func (w *wakeEnds) take() (read, write int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	read, write = w.read, w.write
	w.read, w.write = -1, -1
	return read, write
}
