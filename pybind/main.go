// Package main is the engine's C interface: built with -buildmode=c-shared it
// becomes goloop/_engine.so, which the extension loads when the first loop is
// made. Every exported function is a leaf: it recovers, calls no C, and returns
// before Python code runs. It is the only package of the engine with cgo.
package main

/*
#include "abi.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"goloop/loop"
	"goloop/selector"
	"goloop/unixevents"
)

func main() {}

// A third of the collector's work at 100; the heap stays below 33 MB.
func init() { debug.SetGCPercent(400) }

// binding is one loop's engine behind a handle.
type binding struct {
	engine  *loop.Engine
	signals *unixevents.Signals
	shared  *C.gl_shared
	yielded time.Time
}

// The table of open engines, indexed by handle. Writers hold mu and replace the
// slice; readers load it.
var (
	mu       sync.Mutex
	bindings atomic.Pointer[[]*binding]
)

func find(handle C.int64_t) *binding {
	table := bindings.Load()
	if table == nil || handle <= 0 || int(handle) > len(*table) {
		return nil
	}
	return (*table)[handle-1]
}

// set stores b under handle, or under a free one when handle is 0.
func set(handle int, b *binding) int {
	mu.Lock()
	defer mu.Unlock()
	var table []*binding
	if old := bindings.Load(); old != nil {
		table = append(table, *old...)
	}
	if handle == 0 {
		for i, other := range table {
			if other == nil {
				handle = i + 1
				break
			}
		}
	}
	if handle == 0 {
		table = append(table, nil)
		handle = len(table)
	}
	table[handle-1] = b
	bindings.Store(&table)
	return handle
}

const panicked = C.GL_PANICKED

var (
	panicMu   sync.Mutex
	panicText string
)

// keep records a recovered panic with its stack.
func keep(r any) {
	panicMu.Lock()
	panicText = fmt.Sprintf("%v\n%s", r, debug.Stack())
	panicMu.Unlock()
}

// errnoOf is err as a negative errno.
func errnoOf(err error) int {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return -int(errno)
	case errors.Is(err, loop.ErrClosed), errors.Is(err, selector.ErrClosed):
		return -int(syscall.EBADF)
	}
	return -int(syscall.EINVAL)
}

// yieldEvery keeps the runtime's monitor from taking our P: it does so when a P
// has scheduled nothing for 10 ms, which a thread that only makes exported calls
// never does by itself.
const yieldEvery = 5 * time.Millisecond

func (b *binding) pace() {
	if now := time.Now(); now.Sub(b.yielded) > yieldEvery {
		b.yielded = now
		runtime.Gosched()
	}
}

// publish writes the engine's half of the shared memory.
func (b *binding) publish() {
	b.shared.next_deadline = C.int64_t(b.engine.Deadline())
	b.shared.nfds = C.int32_t(b.engine.Selector().Len())
	b.shared.backlog = C.int32_t(b.engine.Backlog())
}

func submissions(p *C.gl_sqe, n C.int32_t) []loop.Submission {
	if n <= 0 {
		return nil
	}
	return unsafe.Slice((*loop.Submission)(unsafe.Pointer(p)), int(n))
}
