package selector

import (
	"syscall"
	_ "unsafe" // go:linkname
)

// A wait that lasts must not hold a processor of Go's scheduler: the runtime's
// monitor thread then polls, 60 times in 20 ms, until it takes it away, which
// costs 0.6 ms of processor time after each wake-up of a quiet loop. Giving it up
// beforehand lets the monitor sleep at once, but costs 0.07 ms when the wait ends.
// So a loop that is woken often keeps its processor, and a quiet one (SetQuiet) gives
// it up.
//
// The two functions are the runtime's, kept for gVisor and others under
// go.dev/issue/67401.

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// parkedSyscall6 is syscall.Syscall6 without a processor during the call.
//
//go:nosplit
func parkedSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno) {
	entersyscallblock()
	r1, r2, err = syscall.RawSyscall6(trap, a1, a2, a3, a4, a5, a6)
	exitsyscall()
	return r1, r2, err
}
