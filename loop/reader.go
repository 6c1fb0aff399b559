package loop

import (
	"fmt"
	"math"
	"syscall"
)

// watch is what a SelectorEventLoop knows of one descriptor.
type watch struct {
	reader, writer *Handle // nil: none
	generation     uint32
}

// AddReader calls callback in every turn in which fd is readable, instead of what
// an earlier AddReader asked for. Errors: ErrClosed, or the system's refusal,
// upon which all is as before.
func (l *SelectorEventLoop) AddReader(fd int, callback func()) error {
	return l.addWatch(fd, FlagRead, callback)
}

// AddWriter is AddReader for writability.
func (l *SelectorEventLoop) AddWriter(fd int, callback func()) error {
	return l.addWatch(fd, FlagWrite, callback)
}

// RemoveReader ends AddReader and reports whether there was one. A callback of it
// that is ready is not called any more. It comes before fd is closed.
func (l *SelectorEventLoop) RemoveReader(fd int) bool { return l.removeWatch(fd, FlagRead) }

// RemoveWriter ends AddWriter and reports whether there was one.
func (l *SelectorEventLoop) RemoveWriter(fd int) bool { return l.removeWatch(fd, FlagWrite) }

// watching is the handle of fd for one direction, or nil.
func (l *SelectorEventLoop) watching(fd int, direction uint32) *Handle {
	if fd < 0 || fd >= len(l.watches) || l.watches[fd] == nil {
		return nil
	}
	return *l.watches[fd].handle(direction)
}

func (w *watch) handle(direction uint32) **Handle {
	if direction == FlagRead {
		return &w.reader
	}
	return &w.writer
}

func (w *watch) flags() uint16 {
	var flags uint16
	if w.reader != nil {
		flags |= FlagRead
	}
	if w.writer != nil {
		flags |= FlagWrite
	}
	return flags
}

func (l *SelectorEventLoop) addWatch(fd int, direction uint32, callback func()) error {
	if l.engine.closed {
		return ErrClosed
	}
	if fd < 0 || fd > math.MaxInt32 {
		return watchError(fd, syscall.EBADF)
	}
	w := &watch{}
	if fd < len(l.watches) && l.watches[fd] != nil {
		w = l.watches[fd]
	}
	old := w.handle(direction)
	if w.flags() == 0 {
		w.generation++
	}
	// Also when it replaces one: the number may have been closed and given out again.
	if errno := l.rewatch(fd, w, w.flags()|uint16(direction)); errno != 0 {
		return watchError(fd, errno)
	}
	if *old != nil {
		(*old).Cancel()
	}
	*old = &Handle{callback: callback}
	if fd >= len(l.watches) { // the system knows fd, which bounds the table
		l.watches = append(l.watches, make([]*watch, fd+1-len(l.watches))...)
	}
	l.watches[fd] = w
	return nil
}

func (l *SelectorEventLoop) removeWatch(fd int, direction uint32) bool {
	h := l.watching(fd, direction)
	if h == nil {
		return false
	}
	h.Cancel()
	w := l.watches[fd]
	*w.handle(direction) = nil
	// When fd was closed before, the system refuses, and knows it no more either.
	_ = l.rewatch(fd, w, w.flags())
	return true
}

// rewatch asks the engine to watch fd in these directions, at once.
func (l *SelectorEventLoop) rewatch(fd int, w *watch, flags uint16) syscall.Errno {
	s := [1]Submission{{Op: OpWatch, Flags: flags, Fd: int32(fd), Generation: w.generation}}
	if err := l.engine.Submit(s[:]); err != nil {
		return syscall.EBADF
	}
	return syscall.Errno(s[0].Res)
}

func watchError(fd int, errno syscall.Errno) error {
	return fmt.Errorf("loop: cannot watch descriptor %d: %w", fd, errno)
}
