package loop

import (
	"runtime"
	"sync/atomic"
)

// rest is where one goroutine of an engine waits for the next lookup, in the kernel and not
// in Go's scheduler, which would start a thread for each lookup and let it search for work.
// The thread costs nothing while it rests, and ends with its goroutine's rest: at Close.
//
//	empty ──lieDown──▶ resting ──call──▶ called ──getUp──▶ empty
//
// lookups.mu guards it but for wait, which the kernel ends, and wake.
type rest struct{ state atomic.Uint32 }

const (
	restEmpty uint32 = iota
	restTaken
	restCalled
)

// lieDown takes the place; wait follows. It is false when another goroutine has it, where the
// system has no futex(2), and with GOMAXPROCS=1: the thread would wake without a processor, and
// the runtime's monitor takes the loop's away late.
func (r *rest) lieDown() bool {
	return canRest && runtime.GOMAXPROCS(0) > 1 && r.state.CompareAndSwap(restEmpty, restTaken)
}

// call ends the rest, if there is one; wake follows.
func (r *rest) call() bool { return r.state.CompareAndSwap(restTaken, restCalled) }

// getUp gives the place to the next.
func (r *rest) getUp() { r.state.Store(restEmpty) }

// wait returns after call.
func (r *rest) wait() {
	for r.state.Load() == restTaken {
		futexWait(&r.state, restTaken)
	}
}

// wake tells the thread of a rest that has been called.
func (r *rest) wake() { futexWake(&r.state) }
