//go:build unix && faults

package sys

import (
	"slices"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Faults: every call asks the injector first.
const Faults = true

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
	return max(min(got, n), min(1, n)), errno // none at all would be an end of file
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
	vectors = slices.Clone(vectors)
	return &vectors[0], Cut(vectors, n), 0
}

// Cut shortens vectors to n bytes, which are fewer than they have, and returns how many are left.
func Cut(vectors []Iovec, n int) int {
	left := uint64(n)
	for i := range vectors {
		if vectors[i].Len >= left {
			vectors[i].Len = left
			return i + 1
		}
		left -= vectors[i].Len
	}
	return len(vectors)
}
