package main

/*
#include "abi.h"
*/
import "C"

import (
	"unsafe"

	"goloop/loop"
)

// client is the C side of one engine, for the tests: Go's test files cannot use
// cgo. Nothing else of the library calls it.
type client struct {
	handle      C.int64_t
	shared      *C.gl_shared
	completions []loop.Completion
	arena       []byte
}

// openClient makes the rings and opens an engine on them. When that fails, handle
// is the error.
func openClient(selector string) *client {
	c := &client{
		shared:      &C.gl_shared{},
		completions: make([]loop.Completion, 64),
		arena:       make([]byte, 128<<10),
	}
	for i, char := range []byte(selector) {
		c.shared.selector[i] = C.char(char)
	}
	c.shared.cq = (*C.gl_cqe)(unsafe.Pointer(&c.completions[0]))
	c.shared.cq_cap = C.int32_t(len(c.completions))
	c.shared.arena = (*C.uint8_t)(unsafe.Pointer(&c.arena[0]))
	c.shared.arena_len = C.int64_t(len(c.arena))
	c.handle = goloop_open(c.shared)
	return c
}

func (c *client) turn(sq []loop.Submission, flags loop.TurnFlags) int {
	c.shared.sq, c.shared.sq_len = entries(sq), C.int32_t(len(sq))
	return int(goloop_turn(c.handle, C.uint32_t(flags)))
}

func (c *client) submit(sq ...loop.Submission) int {
	return int(goloop_submit(c.handle, entries(sq), C.int32_t(len(sq))))
}

func (c *client) read(fd int32, generation uint32, p []byte) int {
	return int(goloop_read(c.handle, C.int32_t(fd), C.uint32_t(generation), unsafe.Pointer(unsafe.SliceData(p)), C.int64_t(len(p))))
}

func (c *client) signalFd() int { return int(goloop_signal_fd(c.handle)) }

func (c *client) childWatcher(name string) (string, int) {
	var buffer [C.GL_NAME]C.char
	for i, char := range []byte(name) {
		buffer[i] = C.char(char)
	}
	rc := goloop_child_watcher(c.handle, &buffer[0])
	return C.GoString(&buffer[0]), int(rc)
}

func (c *client) stats() (s loop.Stats, rc int) {
	rc = int(goloop_stats(c.handle, (*C.gl_stats)(unsafe.Pointer(&s))))
	return s, rc
}

func start(procs int) int { return int(goloop_start(C.int32_t(procs))) }

func (c *client) close() int { return int(goloop_close(c.handle)) }

// published is what the engine has written of the shared memory.
func (c *client) published() (selector string, deadline int64, nfds, backlog, wakeFd int) {
	return C.GoString(&c.shared.selector[0]), int64(c.shared.next_deadline),
		int(c.shared.nfds), int(c.shared.backlog), int(c.shared.wake_fd)
}

func entries(sq []loop.Submission) *C.gl_sqe {
	return (*C.gl_sqe)(unsafe.Pointer(unsafe.SliceData(sq)))
}

// textOfPanic is goloop_panic_text with room for size bytes.
func textOfPanic(size int) string {
	b := make([]byte, max(size, 1))
	n := goloop_panic_text((*C.char)(unsafe.Pointer(&b[0])), C.int32_t(size))
	return string(b[:n])
}

// abiNumbers is goloop_abi with room for size numbers.
func abiNumbers(size int) ([]uint32, int) {
	out := make([]uint32, max(size, 1))
	n := int(goloop_abi((*C.uint32_t)(unsafe.Pointer(&out[0])), C.int32_t(size)))
	return out[:max(n, 0)], n
}
