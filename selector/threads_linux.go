package selector

import (
	"sync/atomic"

	"goloop/internal/sys"
)

// StartThreads sees to it, soon and in the background, that Go's runtime has count threads beside its
// own two: so many goroutines are in the kernel at once, each on a thread that the runtime keeps
// when it has left. The last of them lets the others go.
func StartThreads(count int) {
	var there, over atomic.Uint32
	for range count {
		go attend(&there, &over, uint32(count))
	}
}

func attend(there, over *atomic.Uint32, count uint32) {
	if there.Add(1) == count {
		over.Store(1)
		sys.Futex(over, futexWake, uintptr(count))
		return
	}
	for over.Load() == 0 {
		parkedFutex(over, 0)
	}
}

// FUTEX_WAIT_PRIVATE and FUTEX_WAKE_PRIVATE.
const (
	futexWait = 0x80
	futexWake = 0x81
)

// parkedFutex waits without a processor until word is woken, unless it is no longer value.
//
//go:nosplit
func parkedFutex(word *atomic.Uint32, value uint32) {
	entersyscallblock()
	sys.Futex(word, futexWait, uintptr(value))
	exitsyscall()
}
