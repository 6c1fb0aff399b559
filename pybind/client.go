package main

/*
#include <unistd.h>

#include "abi.h"

extern int32_t goloop_turn(int64_t handle, uint32_t flags);
extern int32_t goloop_submit(int64_t handle, gl_sqe *sq, int32_t n);

// Echoes size bytes so many times: to fd, attached as gen, from peer and back. 0, or the number of what went wrong.
static int echo(int64_t handle, uintptr_t memory, int fd, uint32_t gen, int peer, int64_t size, int64_t rounds) {
    char bytes[4096] = {0};
    gl_shared *shared = (gl_shared *)memory;
    shared->sq_len = 0;
    for (int64_t i = 0; i < rounds; i++) {
        if (write(peer, bytes, size) != size) return 1;
        if (goloop_turn(handle, GL_TURN_WAIT) != 1) return 2;
        gl_cqe *c = shared->cq;
        if (c->kind != GL_DATA || c->fd != fd || c->len != size) return 3;
        gl_sqe s = {.op = GL_OP_WRITE, .fd = fd, .gen = gen, .ptr = c->ptr, .len = c->len};
        if (goloop_submit(handle, &s, 1) != 0 || s.flags != GL_SQE_DONE) return 4;
        if (read(peer, bytes, size) != size) return 5;
    }
    return 0;
}
*/
import "C"

import (
	"slices"
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

// openClient opens an engine. When that fails, handle is the error.
func openClient(selector string) *client {
	c := &client{shared: &C.gl_shared{}}
	for i, char := range []byte(selector) {
		c.shared.selector[i] = C.char(char)
	}
	c.handle = goloop_open(c.shared)
	c.completions = unsafe.Slice((*loop.Completion)(unsafe.Pointer(c.shared.cq)), int(c.shared.cq_cap))
	c.arena = unsafe.Slice((*byte)(c.shared.arena), int(c.shared.arena_len))
	return c
}

// list is the cell that goloop_api tells as that of the first engine; undo takes it away.
func list() (first **C.gl_shared, undo func()) {
	before := firstListed
	cell := new(*C.gl_shared)
	firstListed = cell
	return cell, func() { firstListed = before }
}

// listedAs tells in which order a forked child would come upon these engines, by their place.
func listedAs(first **C.gl_shared, clients ...*client) (order []int) {
	for at := *first; at != nil; at = at.next {
		order = append(order, slices.IndexFunc(clients, func(c *client) bool { return c.shared == at }))
	}
	return order
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

func (c *client) readMore(fd int32, generation uint32) int {
	return int(goloop_read_more(c.handle, C.int32_t(fd), C.uint32_t(generation)))
}

// echo is C that calls the exported functions, as the extension does.
func (c *client) echo(fd int, generation uint32, peer, size, rounds int) int {
	memory := C.uintptr_t(uintptr(unsafe.Pointer(c.shared))) // it points to Go's, which cgo would refuse
	return int(C.echo(c.handle, memory, C.int(fd), C.uint32_t(generation), C.int(peer), C.int64_t(size), C.int64_t(rounds)))
}

func (c *client) signalFd() int { return int(goloop_signal_fd(c.handle)) }

// chooseWatcher is loop.ChildChoose: which the next child gets, or an errno.
func (c *client) chooseWatcher(number int) (int, int) {
	sq := []loop.Submission{{Op: loop.OpChild, Flags: loop.ChildChoose, User: uint64(number)}}
	rc := c.submit(sq...)
	return int(sq[0].Res), rc
}

func (c *client) stats() (s loop.Stats, rc int) {
	rc = int(goloop_stats(c.handle, (*C.gl_stats)(unsafe.Pointer(&s))))
	return s, rc
}

// ran tells the engine of batches, as C does before a turn.
func (c *client) ran(short, callbacks, ns int) {
	c.shared.ran_short += C.int64_t(short)
	c.shared.ran, c.shared.ran_ns = C.int64_t(callbacks), C.int64_t(ns)
}

// rules is what the engine has written for C to compare with.
type rules struct {
	holdTime, holdMost                     int64
	holdSends, holdFrom, lookEvery         int
	bellAfter, bellPatience, crowd         int
	highWater, lowWater                    int64
	untoldShort, untoldCallbacks, untoldNs int64
}

func (c *client) rules() rules {
	s := c.shared
	return rules{
		int64(s.hold_time), int64(s.hold_most), int(s.hold_sends), int(s.hold_from), int(s.look_every), int(s.bell_after), int(s.bell_patience), int(s.crowd),
		int64(s.high_water), int64(s.low_water), int64(s.ran_short), int64(s.ran), int64(s.ran_ns),
	}
}

// writeBufferLimits is goloop_write_buffer_limits; nil is None.
func writeBufferLimits(high, low *float64) (bytes [2]int64, shown [2]float64, rc int) {
	var given C.int32_t
	var h, l C.double
	if high != nil {
		given, h = given|C.GL_LIMIT_HIGH, C.double(*high)
	}
	if low != nil {
		given, l = given|C.GL_LIMIT_LOW, C.double(*low)
	}
	rc = int(goloop_write_buffer_limits(given, &h, &l, (*C.int64_t)(&bytes[0])))
	return bytes, [2]float64{float64(h), float64(l)}, rc
}

func start(procs int) int { return int(goloop_start(C.int32_t(procs))) }

// close ends the engine and gives the memory back.
func (c *client) close() int {
	rc := c.closeEngine()
	c.release()
	return rc
}

func (c *client) closeEngine() int { return int(goloop_close(c.handle)) }

// widen and release are the exports; widen returns how long the ring is then.
func (c *client) widen(ring int) (int, int) {
	rc := goloop_widen(c.shared, C.int32_t(ring))
	return int(c.shared.sq_caps[ring]), int(rc)
}

func (c *client) release() int { return int(goloop_release(c.shared)) }

// ring is one of the two of submissions.
func (c *client) ring(i int) []loop.Submission {
	return unsafe.Slice((*loop.Submission)(unsafe.Pointer(c.shared.sqs[i])), int(c.shared.sq_caps[i]))
}

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
