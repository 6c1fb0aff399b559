//go:build unix && faults

package sys

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// faults: every call asks the injector first.
const faults = true

// Call is a system call that is about to be made.
type Call struct {
	Name string // as the function's, in lower case; of epoll_ctl and others with what it does
	Fd   int    // -1 where there is none
	N    int    // bytes, messages, events or requests that it asks for; 0 where it cannot come back short
}

// Injector tells what becomes of a call: an errno for one that is not made, or how many of
// c.N the system is asked for. Any thread may call it.
type Injector func(c Call) (n int, errno syscall.Errno)

var injector atomic.Pointer[Injector]

// Inject sets who is asked about each call from now on; nil ends it.
func Inject(f Injector) {
	if f == nil {
		injector.Store(nil)
		return
	}
	injector.Store(&f)
}

func ask(name string, fd, n int) (int, syscall.Errno) {
	f := injector.Load()
	if f == nil {
		return n, 0
	}
	got, errno := (*f)(Call{name, fd, n})
	if got < 0 || got > n {
		got = n
	}
	return got, errno
}

// askVector is ask for the bytes of count vectors; a short call gets a copy, cut to length.
func askVector(name string, fd int, v *Iovec, count int) (*Iovec, int, syscall.Errno) {
	vectors := unsafe.Slice(v, count)
	total := 0
	for _, part := range vectors {
		total += int(part.Len)
	}
	n, errno := ask(name, fd, total)
	if errno != 0 || n == total {
		return v, count, errno
	}
	return Cut(vectors, n)
}

// Cut returns the first n bytes of vectors, at least one vector.
func Cut(vectors []Iovec, n int) (*Iovec, int, syscall.Errno) {
	left := uint64(n)
	cut := []Iovec{}
	for _, part := range vectors {
		part.Len = min(part.Len, left)
		left -= part.Len
		cut = append(cut, part)
		if left == 0 {
			break
		}
	}
	return &cut[0], len(cut), 0
}
