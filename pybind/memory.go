package main

/*
#include "abi.h"
*/
import "C"

import (
	"sync"
	"syscall"
	"unsafe"

	"goloop/loop"
)

// lent is the memory of all loops by number, from goloop_open to goloop_release. The engine is closed before that: C may look
// at completions and bytes until its loop is freed.
var lent struct {
	mu   sync.Mutex
	all  []*loop.Memory // the first is number 1
	free []C.int32_t    // numbers. The last one's memory is spare: who makes one loop after another maps it once
}

// lend gives a loop its memory, which it may have already. It returns nil when the system has none.
func lend(shared *C.gl_shared) *loop.Memory {
	lent.mu.Lock()
	defer lent.mu.Unlock()
	n := shared.memory
	if n == 0 {
		last := len(lent.free) - 1
		if last < 0 {
			lent.all = append(lent.all, nil)
			lent.free = append(lent.free, C.int32_t(len(lent.all)))
			last = 0
		}
		n = lent.free[last]
		if lent.all[n-1] == nil {
			if lent.all[n-1] = loop.NewMemory(); lent.all[n-1] == nil {
				return nil
			}
		}
		lent.free = lent.free[:last]
		shared.memory = n
	}
	m := lent.all[n-1]
	tell(m, shared)
	return m
}

// tell says to C where the memory of its loop is.
func tell(m *loop.Memory, shared *C.gl_shared) {
	for i := range shared.sqs {
		ring := m.Submissions(i)
		shared.sqs[i], shared.sq_caps[i] = (*C.gl_sqe)(unsafe.Pointer(unsafe.SliceData(ring))), C.int32_t(len(ring))
	}
	shared.cq, shared.cq_cap = (*C.gl_cqe)(unsafe.Pointer(unsafe.SliceData(m.Completions()))), C.int32_t(len(m.Completions()))
	shared.arena, shared.arena_len = (*C.uint8_t)(unsafe.SliceData(m.Arena())), C.int64_t(len(m.Arena()))
}

// goloop_widen makes one of the two rings of submissions twice as long.
//
//export goloop_widen
func goloop_widen(shared *C.gl_shared, ring C.int32_t) (rc C.int32_t) {
	defer caught(&rc)
	lent.mu.Lock()
	defer lent.mu.Unlock()
	if shared.memory == 0 {
		return -C.int32_t(syscall.EBADF)
	}
	m := lent.all[shared.memory-1]
	if !m.Widen(int(ring)) {
		return -C.int32_t(syscall.ENOMEM)
	}
	tell(m, shared)
	return 0
}

// goloop_release takes a loop's memory back.
//
//export goloop_release
func goloop_release(shared *C.gl_shared) (rc C.int32_t) {
	defer caught(&rc)
	lent.mu.Lock()
	defer lent.mu.Unlock()
	n, last := shared.memory, len(lent.free)-1
	if n == 0 {
		return 0
	}
	shared.memory = 0
	lent.free = append(lent.free, n)
	if last >= 0 && lent.all[lent.free[last]-1] != nil {
		lent.all[n-1].Free()
		lent.all[n-1] = nil
		lent.free[last], lent.free[last+1] = n, lent.free[last]
	}
	return 0
}
