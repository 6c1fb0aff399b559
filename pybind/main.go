// Package main is the engine's C interface: built with -buildmode=c-shared it
// becomes goloop/_engine.so, which the extension loads when the first loop is
// made. Every exported function is a leaf: it recovers, and returns before Python code
// runs. C is called to start a thread (threads.go), and on such threads, for libc's
// resolver. It is the only package of the engine with cgo.
package main

/*
#include "abi.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
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
	handle   int64
	engine   *loop.Engine
	signals  *unixevents.Signals
	children *unixevents.Children
	shared   *C.gl_shared
	yielded  int64 // by Looked
}

// openSignals opens the pipe for signals, once.
func (b *binding) openSignals() (*unixevents.Signals, error) {
	if b.signals == nil {
		s, err := unixevents.OpenSignals(b.engine)
		if err != nil {
			return nil, err
		}
		b.signals = s
	}
	return b.signals, nil
}

// The table of open engines. Writers hold mu and replace the slice; readers load
// it. A handle is the place in the table and, above it, a number that is never
// used again: the handle of a closed engine does not name the next one.
var (
	mu       sync.Mutex
	bindings atomic.Pointer[[]*binding]
	opened   int64 // engines so far
)

// placeBits of a handle are the place in the table, from 1.
const placeBits = 20

func find(handle C.int64_t) *binding {
	table := bindings.Load()
	place := int64(handle)&(1<<placeBits-1) - 1
	if table == nil || handle <= 0 || uint64(place) >= uint64(len(*table)) {
		return nil
	}
	if b := (*table)[place]; b != nil && b.handle == int64(handle) {
		return b
	}
	return nil
}

// store puts b into the table, at a free place, and gives it a handle. Error:
// EMFILE when a million engines are open.
func store(b *binding) error {
	mu.Lock()
	defer mu.Unlock()
	table := copyTable()
	place := slices.Index(table, nil)
	if place < 0 {
		place = len(table)
		table = append(table, nil)
	}
	if place >= 1<<placeBits-1 {
		return syscall.EMFILE
	}
	opened++
	b.handle = opened<<placeBits | int64(place+1)
	table[place] = b
	bindings.Store(&table)
	return nil
}

// release takes the engine of a handle out of the table, once: of two calls that
// race, one gets nil.
func release(handle C.int64_t) *binding {
	mu.Lock()
	defer mu.Unlock()
	b := find(handle)
	if b == nil {
		return nil
	}
	table := copyTable()
	table[slices.Index(table, b)] = nil
	bindings.Store(&table)
	return b
}

func copyTable() []*binding {
	if old := bindings.Load(); old != nil {
		return slices.Clone(*old)
	}
	return nil
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
// never does by itself. The time is the last turn's, which saves a reading of the clock
// and leaves room for two turns of 2 ms.
const yieldEvery = int64(6 * time.Millisecond)

func (b *binding) pace() {
	if looked := b.engine.Looked(); looked-b.yielded > yieldEvery {
		b.yielded = looked
		runtime.Gosched()
	}
}

// publish writes the engine's half of the shared memory.
func (b *binding) publish() {
	b.shared.next_deadline = C.int64_t(b.engine.Deadline())
	b.shared.looked = C.int64_t(b.engine.Looked())
	b.shared.nfds = C.int32_t(b.engine.Selector().Len() + b.engine.Lookups())
	b.shared.backlog = C.int32_t(b.engine.Backlog())
	b.shared.queue_room = C.int32_t(min(b.engine.QueueRoom(), math.MaxInt32))
	b.shared.batch_fd = C.int32_t(b.engine.BatchFd())
}

func submissions(p *C.gl_sqe, n C.int32_t) []loop.Submission {
	if n <= 0 {
		return nil
	}
	return unsafe.Slice((*loop.Submission)(unsafe.Pointer(p)), int(n))
}
