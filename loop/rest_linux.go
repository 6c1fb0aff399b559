package loop

import (
	"sync/atomic"
	_ "unsafe" // go:linkname

	"goloop/internal/sys"
)

// The operations of futex(2), for one process.
const (
	canRest   = true
	waitFutex = 0x80 // FUTEX_WAIT_PRIVATE
	wakeFutex = 0x81 // FUTEX_WAKE_PRIVATE
)

// The thread that rests holds no processor of Go's scheduler, and takes a free one when it
// wakes: selector/park_linux.go says what that saves, and what these two are.

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// futexWait waits until word is woken, unless it is no longer value; it may return for nothing.
//
//go:nosplit
func futexWait(word *atomic.Uint32, value uint32) {
	entersyscallblock()
	sys.Futex(word, waitFutex, uintptr(value))
	exitsyscall()
}

// futexWake wakes the thread that waits for word.
func futexWake(word *atomic.Uint32) {
	sys.Futex(word, wakeFutex, 1)
}

// yieldThread lets another thread run that waits for this processor.
func yieldThread() { sys.SchedYield() }
