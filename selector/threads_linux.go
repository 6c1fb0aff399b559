package selector

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StartThreads sees to it, soon and in the background, that Go's runtime has count threads beside its own two:
// so many goroutines are in the kernel at once, each on a thread that the runtime keeps when it has
// left. The last of them lets the others go.
func StartThreads(count int) {
	var there, over atomic.Uint32
	for range count {
		go attend(&there, &over, uint32(count))
	}
}

func attend(there, over *atomic.Uint32, count uint32) {
	if there.Add(1) == count {
		over.Store(1)
		syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(over)), wakePrivate, uintptr(count), 0, 0, 0)
		return
	}
	for over.Load() == 0 {
		parkedSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(over)), waitPrivate, 0, 0, 0, 0)
	}
}

// FUTEX_WAIT_PRIVATE and FUTEX_WAKE_PRIVATE.
const (
	waitPrivate = 0x80
	wakePrivate = 0x81
)
