package main

/*
#include "abi.h"

// Defined by the //export of each.
int32_t goloop_start(int32_t);
int64_t goloop_open(gl_shared *);
int32_t goloop_turn(int64_t, uint32_t);
int32_t goloop_submit(int64_t, gl_sqe *, int32_t);
int64_t goloop_read(int64_t, int32_t, uint32_t, void *, int64_t);
int32_t goloop_read_more(int64_t, int32_t, uint32_t);
int32_t goloop_signal_fd(int64_t);
int32_t goloop_stats(int64_t, gl_stats *);
int32_t goloop_close(int64_t);
int32_t goloop_widen(gl_shared *, int32_t);
int32_t goloop_release(gl_shared *);
int32_t goloop_panic_text(char *, int32_t);
int32_t goloop_write_buffer_limits(int32_t, double *, double *, int64_t *);
int32_t goloop_address(void *, int64_t, gl_address *);
int32_t goloop_sockaddr(gl_name *, void *);
*/
import "C"

import (
	_ "embed"
	"hash/fnv"
	"unsafe"

	"goloop/loop"
)

// layout lists the sizes and offsets that both sides must agree on, for a test: of each
// struct its size, then the offset of each field in order.
func layout() []uint32 {
	var s loop.Submission
	var c loop.Completion
	var q loop.RingQuery
	var a loop.Address
	var m loop.Message
	var t loop.Timer
	var n loop.Near
	var f loop.Fresh
	var w loop.Name
	return []uint32{
		uint32(unsafe.Sizeof(s)),
		uint32(unsafe.Offsetof(s.Op)), uint32(unsafe.Offsetof(s.Flags)), uint32(unsafe.Offsetof(s.Fd)),
		uint32(unsafe.Offsetof(s.Generation)), uint32(unsafe.Offsetof(s.Res)), uint32(unsafe.Offsetof(s.User)),
		uint32(unsafe.Offsetof(s.Ptr)), uint32(unsafe.Offsetof(s.Len)),
		uint32(unsafe.Sizeof(c)),
		uint32(unsafe.Offsetof(c.Kind)), uint32(unsafe.Offsetof(c.Flags)), uint32(unsafe.Offsetof(c.Fd)),
		uint32(unsafe.Offsetof(c.Generation)), uint32(unsafe.Offsetof(c.Res)), uint32(unsafe.Offsetof(c.User)),
		uint32(unsafe.Offsetof(c.Ptr)), uint32(unsafe.Offsetof(c.Len)),
		uint32(unsafe.Sizeof(q)),
		uint32(unsafe.Offsetof(q.What)), uint32(unsafe.Offsetof(q.Family)), uint32(unsafe.Offsetof(q.Type)),
		uint32(unsafe.Offsetof(q.Proto)), uint32(unsafe.Offsetof(q.Flags)), uint32(unsafe.Offsetof(q.Flow)),
		uint32(unsafe.Offsetof(q.Scope)), uint32(unsafe.Offsetof(q.Count)), uint32(unsafe.Offsetof(q.Host)),
		uint32(unsafe.Offsetof(q.Service)), uint32(unsafe.Offsetof(q.HostLen)), uint32(unsafe.Offsetof(q.ServiceLen)),
		uint32(unsafe.Offsetof(q.Answer)), uint32(unsafe.Offsetof(q.Len)),
		uint32(unsafe.Sizeof(a)),
		uint32(unsafe.Offsetof(a.Family)), uint32(unsafe.Offsetof(a.Type)), uint32(unsafe.Offsetof(a.Proto)), uint32(unsafe.Offsetof(a.Port)),
		uint32(unsafe.Offsetof(a.Flow)), uint32(unsafe.Offsetof(a.Scope)), uint32(unsafe.Offsetof(a.Host)),
		uint32(unsafe.Sizeof(m)),
		uint32(unsafe.Offsetof(m.Ptr)), uint32(unsafe.Offsetof(m.Len)),
		uint32(unsafe.Offsetof(m.Addr)), uint32(unsafe.Offsetof(m.AddrLen)),
		uint32(unsafe.Sizeof(t)),
		uint32(unsafe.Offsetof(t.When)), uint32(unsafe.Offsetof(t.User)),
		uint32(unsafe.Sizeof(n)),
		uint32(unsafe.Offsetof(n.Fd)), uint32(unsafe.Offsetof(n.Generation)), uint32(unsafe.Offsetof(n.Pipe)),
		uint32(unsafe.Sizeof(f)),
		uint32(unsafe.Offsetof(f.Timers)), uint32(unsafe.Offsetof(f.Len)), uint32(unsafe.Offsetof(f.Live)),
		uint32(unsafe.Offsetof(f.First)), uint32(unsafe.Offsetof(f.Taken)),
		uint32(unsafe.Sizeof(w)),
		uint32(unsafe.Offsetof(w.Family)), uint32(unsafe.Offsetof(w.Host)), uint32(unsafe.Offsetof(w.HostLen)),
		uint32(unsafe.Offsetof(w.Port)), uint32(unsafe.Offsetof(w.Flow)), uint32(unsafe.Offsetof(w.Scope)),
		uint32(unsafe.Sizeof(loop.Stats{})),
		uint32(unsafe.Sizeof(C.gl_shared{})),
	}
}

// layoutOfC is layout as the C compiler sees abi.h.
func layoutOfC() []uint32 {
	var s C.gl_sqe
	var c C.gl_cqe
	var q C.gl_query
	var a C.gl_address
	var m C.gl_message
	var t C.gl_timer
	var n C.gl_near
	var f C.gl_fresh
	var w C.gl_name
	return []uint32{
		uint32(unsafe.Sizeof(s)),
		uint32(unsafe.Offsetof(s.op)), uint32(unsafe.Offsetof(s.flags)), uint32(unsafe.Offsetof(s.fd)),
		uint32(unsafe.Offsetof(s.gen)), uint32(unsafe.Offsetof(s.res)), uint32(unsafe.Offsetof(s.user)),
		uint32(unsafe.Offsetof(s.ptr)), uint32(unsafe.Offsetof(s.len)),
		uint32(unsafe.Sizeof(c)),
		uint32(unsafe.Offsetof(c.kind)), uint32(unsafe.Offsetof(c.flags)), uint32(unsafe.Offsetof(c.fd)),
		uint32(unsafe.Offsetof(c.gen)), uint32(unsafe.Offsetof(c.res)), uint32(unsafe.Offsetof(c.user)),
		uint32(unsafe.Offsetof(c.ptr)), uint32(unsafe.Offsetof(c.len)),
		uint32(unsafe.Sizeof(q)),
		uint32(unsafe.Offsetof(q.what)), uint32(unsafe.Offsetof(q.family)), uint32(unsafe.Offsetof(q._type)),
		uint32(unsafe.Offsetof(q.proto)), uint32(unsafe.Offsetof(q.flags)), uint32(unsafe.Offsetof(q.flow)),
		uint32(unsafe.Offsetof(q.scope)), uint32(unsafe.Offsetof(q.count)), uint32(unsafe.Offsetof(q.host)),
		uint32(unsafe.Offsetof(q.service)), uint32(unsafe.Offsetof(q.host_len)), uint32(unsafe.Offsetof(q.service_len)),
		uint32(unsafe.Offsetof(q.answer)), uint32(unsafe.Offsetof(q.len)),
		uint32(unsafe.Sizeof(a)),
		uint32(unsafe.Offsetof(a.family)), uint32(unsafe.Offsetof(a._type)), uint32(unsafe.Offsetof(a.proto)), uint32(unsafe.Offsetof(a.port)),
		uint32(unsafe.Offsetof(a.flow)), uint32(unsafe.Offsetof(a.scope)), uint32(unsafe.Offsetof(a.host)),
		uint32(unsafe.Sizeof(m)),
		uint32(unsafe.Offsetof(m.ptr)), uint32(unsafe.Offsetof(m.len)),
		uint32(unsafe.Offsetof(m.addr)), uint32(unsafe.Offsetof(m.addr_len)),
		uint32(unsafe.Sizeof(t)),
		uint32(unsafe.Offsetof(t.when)), uint32(unsafe.Offsetof(t.user)),
		uint32(unsafe.Sizeof(n)),
		uint32(unsafe.Offsetof(n.fd)), uint32(unsafe.Offsetof(n.gen)), uint32(unsafe.Offsetof(n.pipe)),
		uint32(unsafe.Sizeof(f)),
		uint32(unsafe.Offsetof(f.timers)), uint32(unsafe.Offsetof(f.len)), uint32(unsafe.Offsetof(f.live)),
		uint32(unsafe.Offsetof(f.first)), uint32(unsafe.Offsetof(f.taken)),
		uint32(unsafe.Sizeof(w)),
		uint32(unsafe.Offsetof(w.family)), uint32(unsafe.Offsetof(w.host)), uint32(unsafe.Offsetof(w.host_len)),
		uint32(unsafe.Offsetof(w.port)), uint32(unsafe.Offsetof(w.flow)), uint32(unsafe.Offsetof(w.scope)),
		uint32(unsafe.Sizeof(C.gl_stats{})),
		uint32(unsafe.Sizeof(C.gl_shared{})),
	}
}

// text is the boundary as both sides are built with it: each layout, each number, each word about them.
//
//go:embed abi.h
var text []byte

// boundary names that text: its FNV-1a of 64 bits, as tools/backend/boundary.py has it.
func boundary() uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(text)
	return hash.Sum64()
}

// goloop_api tells where the engine's functions are, and returns boundary; or 0, of no text.
//
//export goloop_api
func goloop_api(out *C.gl_api) (n C.uint64_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			n = 0
		}
	}()
	*out = C.gl_api{
		start:               (*[0]byte)(C.goloop_start),
		open:                (*[0]byte)(C.goloop_open),
		turn:                (*[0]byte)(C.goloop_turn),
		submit:              (*[0]byte)(C.goloop_submit),
		read:                (*[0]byte)(C.goloop_read),
		read_more:           (*[0]byte)(C.goloop_read_more),
		signal_fd:           (*[0]byte)(C.goloop_signal_fd),
		stats:               (*[0]byte)(C.goloop_stats),
		close:               (*[0]byte)(C.goloop_close),
		widen:               (*[0]byte)(C.goloop_widen),
		release:             (*[0]byte)(C.goloop_release),
		panic_text:          (*[0]byte)(C.goloop_panic_text),
		write_buffer_limits: (*[0]byte)(C.goloop_write_buffer_limits),
		address:             (*[0]byte)(C.goloop_address),
		sockaddr:            (*[0]byte)(C.goloop_sockaddr),
	}
	firstListed = &out.first
	return C.uint64_t(boundary())
}
