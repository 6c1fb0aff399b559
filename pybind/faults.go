//go:build faults

package main

/*
#include "abi.h"
*/
import "C"

import (
	"sync/atomic"
	"syscall"

	"goloop/internal/sys"
)

// plan is what goloop_inject has armed.
var plan atomic.Pointer[sys.Plan]

// goloop_inject lets system calls of the engine fail, for tests: sys.Fault has the arguments. It
// replaces what was injected before; an empty name ends it.
//
//export goloop_inject
func goloop_inject(name *C.char, fd, skip, times, errno, n C.int32_t) {
	sys.Disarm()
	if text := C.GoString(name); text != "" {
		if fd < 0 {
			fd = sys.Any
		}
		plan.Store(sys.Arm(sys.Fault{Name: text, Fd: int(fd), Skip: int(skip), Times: int(times), Errno: syscall.Errno(errno), N: int(n)}))
	}
}

// goloop_injected is how many calls have met what was injected last.
//
//export goloop_injected
func goloop_injected() C.int32_t {
	p := plan.Load()
	if p == nil {
		return 0
	}
	return C.int32_t(p.Met())
}
