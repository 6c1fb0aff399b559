package selector

import (
	"syscall"
	"time"
	_ "unsafe" // go:linkname
)

// A wait that lasts must not hold a processor of Go's scheduler: the runtime's
// monitor thread then polls, 60 times in 20 ms, until it takes it away, which
// costs 0.6 ms of processor time after each wake-up of a quiet loop. Giving it up
// beforehand lets the monitor sleep at once, but costs 0.07 ms when the wait ends.
// So a loop that is woken often keeps its processor, and a quiet one gives it up.
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

const (
	quietAfter = 10 * time.Millisecond // between two waits; the monitor's own limit
	busyAfter  = 8                     // so many waits at shorter distances: it is busy
)

// tempo tells a quiet loop from a busy one by when its waits begin.
type tempo struct {
	last  time.Duration // since start
	short int           // waits in a row that followed the one before within quietAfter
}

// start is what durations count from: reading one clock costs half of reading two.
var start = time.Now()

// quiet notes a wait that begins now.
func (t *tempo) quiet() bool {
	now := time.Since(start)
	if now-t.last > quietAfter {
		t.short = 0
	} else if t.short < busyAfter {
		t.short++
	}
	t.last = now
	return t.short < busyAfter
}
