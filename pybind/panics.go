package main

/*
#include <pthread.h>
#include <stdint.h>

static uintptr_t this_thread(void) { return (uintptr_t)pthread_self(); }
*/
import "C"

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// panics keeps the last panic of each thread that had one, until its text is asked for by that thread:
// engines of other threads may fail at the same time.
var panics struct {
	mu    sync.Mutex // guards texts
	texts map[C.uintptr_t]string
}

// mostTexts are kept. A thread that never asks leaves one behind.
const mostTexts = 64

// keep records a recovered panic with its stack.
func keep(r any) {
	text := fmt.Sprintf("%v\n%s", r, debug.Stack())
	panics.mu.Lock()
	defer panics.mu.Unlock()
	if panics.texts == nil || len(panics.texts) >= mostTexts {
		panics.texts = map[C.uintptr_t]string{}
	}
	panics.texts[thisThread()] = text
}

// caught is deferred: a panic becomes the answer of its function.
func caught(rc *C.int32_t) {
	if r := recover(); r != nil {
		keep(r)
		*rc = panicked
	}
}

func thisThread() C.uintptr_t { return C.this_thread() }

// lastPanic is the text of the last panic in this thread.
func lastPanic() string {
	panics.mu.Lock()
	defer panics.mu.Unlock()
	return panics.texts[thisThread()]
}
