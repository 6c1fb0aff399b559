//go:build !linux

package loop

import "sync/atomic"

// canRest: without futex(2) each lookup has a goroutine of its own.
const canRest = false

func futexWait(*atomic.Uint32, uint32) {}

func futexWake(*atomic.Uint32) {}

func yieldThread() {}
