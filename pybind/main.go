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
	"math"
	"runtime/debug"
	"sync"
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
	pace     pace
	idled    int64       // by Looked: when it last let C give back memory
	thread   C.uintptr_t // of the last turn for which pace has looked

	seen sync.Mutex // held by who reads shared from elsewhere; nil once the engine closes
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

// Serve serves the first OpChild, and has unixevents serve the others.
func (b *binding) Serve(s *loop.Submission) {
	b.children = unixevents.OpenChildren(b.engine, b.openSignals)
	b.children.Serve(s)
}

const panicked = C.GL_PANICKED

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

// idleEvery is how often C gives back memory: a busy process has its crowd again by then.
const idleEvery = int64(time.Second)

// learn takes what C tells of the batches that it has run, and of its own turns.
func (b *binding) learn() {
	if s := b.shared; s.near_found|s.near_missed != 0 {
		b.engine.HostTook(int32(s.near_found), s.near_missed != 0)
		s.near_found, s.near_missed = 0, 0
	}
	if s := b.shared; s.ran_short != 0 || s.ran_ns != 0 {
		b.engine.BatchesRan(int64(s.ran_short), int64(s.ran), int64(s.ran_ns))
		s.hold_from = C.int32_t(b.engine.HoldFrom())
		s.ran_short, s.ran, s.ran_ns = 0, 0, 0
	}
}

// publishRules writes the part of the shared memory that no turn changes, but for learn.
func (b *binding) publishRules() {
	b.shared.hold_time, b.shared.hold_most = C.int64_t(loop.HoldTime), C.int64_t(loop.HoldMost)
	b.shared.hold_sends = loop.HoldSends
	b.shared.long_send = loop.LongSend
	b.shared.hold_from = C.int32_t(b.engine.HoldFrom())
	b.shared.look_every = loop.LookEvery
	b.shared.bell_after, b.shared.bell_patience = loop.BellAfter, loop.BellPatience
	b.shared.crowd = loop.Crowd
	b.shared.unheard_most, b.shared.flood = loop.UnheardMost, loop.Flood
	if loop.HostTries {
		b.shared.tries = 1
	}
	b.shared.join_most = loop.JoinMost
	b.shared.high_water, b.shared.low_water = loop.HighWater, loop.LowWater
}

// publish writes the engine's part of the shared memory.
func (b *binding) publish() {
	b.shared.next_deadline = C.int64_t(b.engine.Deadline())
	b.shared.looked = C.int64_t(b.engine.Looked())
	sources := b.engine.Sources()
	b.shared.nfds = C.int32_t(b.engine.Selector().Len() - sources + b.engine.Lookups())
	b.shared.own = C.int32_t(sources)
	b.shared.backlog = C.int32_t(b.engine.Backlog())
	if b.shared.unasked == 0 { // else it goes on, however often something is submitted meanwhile
		b.shared.unasked = C.int32_t(b.engine.Unasked())
	}
	b.shared.timers_room = C.int32_t(b.engine.TimersRoom())
	b.shared.queue_room = C.int32_t(min(b.engine.QueueRoom(), math.MaxInt32))
	b.shared.batch_fd = C.int32_t(b.engine.BatchFd())
	if looked := b.engine.Looked(); b.shared.idles == 0 && looked-b.idled >= idleEvery {
		b.shared.idles, b.idled = 1, looked
	}
}

func submissions(p *C.gl_sqe, n C.int32_t) []loop.Submission {
	if n <= 0 {
		return nil
	}
	return unsafe.Slice((*loop.Submission)(unsafe.Pointer(p)), int(n))
}
