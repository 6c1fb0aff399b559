package main

/*
#include "abi.h"
#include "room.h"
#include <stdint.h>
#include <sys/resource.h>

static int is_limited(int resource) {
    struct rlimit r;
    return getrlimit(resource, &r) == 0 && r.rlim_cur != RLIM_INFINITY;
}

// Where memory is limited there is room for none.
static int count_threads(int wanted) {
    return is_limited(RLIMIT_AS) || is_limited(RLIMIT_DATA) ? 0 : room_for_threads(wanted, NULL);
}
*/
import "C"

import (
	"runtime"
	"sync"

	"goloop/selector"
)

// A thread that has called an engine keeps a P, a processor of Go's scheduler, while it runs Python: to the runtime
// an exported call that returns is a system call that begins. The runtime's monitor takes the P away after 10 ms
// when another is free, else at its next look, 20 us later, and starts a thread that spins in search of work. A call
// that finds none free sleeps until then. So there is one for
// each thread in which engines take turns, and one more; a single thread takes those that there are.
//
// An M, a thread of the runtime, that executes Go code has a P, so with those that wait in the kernel for a P to be
// passed on there are at most a few more Ms than Ps, and none that has been started ever ends. The runtime
// ends the process when it cannot start one: they are started with the Ps, and only as many as the system gives
// with room for what the program starts at the same moment.

const (
	passing        = 2  // Ms that may be without a P for an instant, having just given it away
	spareThreads   = 16 // threads that are left to the program
	mostProcessors = 64 // or one more than the system has: threads beyond share them
)

var processors struct {
	mu      sync.Mutex // one call at a time changes GOMAXPROCS; guards refused
	refused bool       // the system has no more threads
}

// goloop_start makes the runtime's threads, and room for its heap, before the first engine is opened. procs is the
// most processors that it may use until as many threads run loops; 0 leaves it as it is.
// python/goloop/capacity.py has seen to it that so many threads, and two of the runtime's own beside passing,
// can be had.
//
//export goloop_start
func goloop_start(procs C.int32_t) (rc C.int32_t) {
	defer caught(&rc)
	processors.mu.Lock()
	defer processors.mu.Unlock()
	if n := int(procs); n > 0 {
		have := runtime.GOMAXPROCS(0)
		if want := startWith(have, n); want != have {
			runtime.GOMAXPROCS(want)
		}
		selector.StartThreads(runtime.GOMAXPROCS(0) + passing)
		reserveHeap()
	}
	return 0
}

// startWith is how many processors a first loop begins with, where the system has some and there may be so many: one beside that of
// the loop's thread also on a system with one. Where none is free the monitor takes that one at each look, 20 us later, for as
// long as the loop lives, which costs a loop of 8,000 requests a second 40 % more processor time.
func startWith(has, most int) int { return min(max(has, C.GL_START_PROCS_LEAST), most) }

// threads counts the engines that take their turns in each thread: what binding.keepPace has seen last.
var threads struct {
	mu      sync.Mutex // guards engines
	engines map[C.uintptr_t]int
}

// move tells that an engine takes its turns in another thread than before; 0 is none. It returns how many threads there are.
func move(from, to C.uintptr_t) int {
	threads.mu.Lock()
	defer threads.mu.Unlock()
	if threads.engines == nil {
		threads.engines = map[C.uintptr_t]int{}
	}
	if threads.engines[from]--; threads.engines[from] <= 0 {
		delete(threads.engines, from)
	}
	if to != 0 {
		threads.engines[to]++
	}
	return len(threads.engines)
}

// provide sees to it that so many threads have processors enough, as far as the system has threads. It
// stops the world, so it does so seldom: it doubles them.
func provide(threads int) { provideFrom(threads, countThreads) }

func countThreads(wanted int) int { return int(C.count_threads(C.int(wanted))) }

// provideFrom is provide with the question to the system, how many of so many threads more there can be.
func provideFrom(threads int, count func(wanted int) int) {
	if threads < 2 {
		return
	}
	processors.mu.Lock()
	defer processors.mu.Unlock()
	have := runtime.GOMAXPROCS(0)
	want := min(max(2*have, threads+1), max(mostProcessors, runtime.NumCPU()+1))
	if threads < have || have >= want || processors.refused {
		return
	}
	more := count(want-have+spareThreads) - spareThreads
	processors.refused = more < want-have
	if more <= 0 {
		return
	}
	runtime.GOMAXPROCS(have + more)
	selector.StartThreads(have + more + passing)
}
