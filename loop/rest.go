package loop

import (
	"runtime"
	"sync/atomic"
	"time"
)

// rest is where one goroutine of an engine waits for the next lookup, in the kernel and not
// in Go's scheduler, which would start a thread for each lookup and let it search for work.
// The thread costs nothing while it sleeps, and ends with its goroutine's rest: at Close.
//
//	empty ──lieDown──▶ awake ──wait──▶ asleep ──call──▶ called ──getUp──▶ empty
//	                     └────────────call───────────────▲
//
// To wake a thread on an idle processor, and give up and take Go's for its sleep, costs more than
// a short lookup. Where the last lookup was called for soon, as by a program that looks up names one
// after the other, the thread stays awake for about as long as a wake-up takes, and yields meanwhile.
//
// lookups.mu guards it but for wait, which the kernel ends, and wake. brief is of the goroutine that rests.
type rest struct {
	state atomic.Uint32
	brief bool // the last sleep, or the last time awake, has ended soon
}

const (
	restEmpty uint32 = iota
	restAwake
	restAsleep
	restCalled
)

const (
	restYields = 60 // 0.3 us each, where no other thread wants the processor
	restBrief  = 100 * time.Microsecond
)

// lieDown takes the place; wait follows. It is false when another goroutine has it, where the
// system has no futex(2), and with GOMAXPROCS=1: the thread would wake without a processor, and
// the runtime's monitor takes the loop's away late.
func (r *rest) lieDown() bool {
	return canRest && runtime.GOMAXPROCS(0) > 1 && r.state.CompareAndSwap(restEmpty, restAwake)
}

// call ends the rest, if there is one. If asleep, wake follows.
func (r *rest) call() (called, asleep bool) {
	was := r.state.Load()
	for (was == restAwake || was == restAsleep) && !r.state.CompareAndSwap(was, restCalled) {
		was = r.state.Load() // the thread has fallen asleep
	}
	return was == restAwake || was == restAsleep, was == restAsleep
}

// getUp gives the place to the next.
func (r *rest) getUp() { r.state.Store(restEmpty) }

// wait returns after call.
func (r *rest) wait() {
	for i := 0; r.brief && i < restYields; i++ {
		if r.state.Load() == restCalled {
			return
		}
		yieldThread()
	}
	if !r.state.CompareAndSwap(restAwake, restAsleep) {
		return // called
	}
	begun := time.Now()
	for r.state.Load() == restAsleep {
		futexWait(&r.state, restAsleep)
	}
	r.brief = time.Since(begun) < restBrief
}

// wake tells the thread of a rest that was asleep when it was called.
func (r *rest) wake() { futexWake(&r.state) }
