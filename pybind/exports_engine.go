package main

/*
#include "abi.h"
*/
import "C"

import (
	"syscall"
	"unsafe"

	"goloop/control/loops"
	"goloop/loop"

	"golang.org/x/sys/unix"
)

// goloop_open makes the engine of one loop and returns its handle.
//
//export goloop_open
func goloop_open(shared *C.gl_shared) (handle C.int64_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			handle = panicked
		}
	}()
	m := lend(shared)
	if m == nil {
		return -C.int64_t(syscall.ENOMEM)
	}
	e, err := loop.New(loop.Options{
		Selector:    C.GoString(&shared.selector[0]),
		Completions: m.Completions(),
		Arena:       m.Arena(),
		Unbatched:   shared.unbatched != 0,
		Resolver:    resolve,
		StartThread: startThread,
		Near:        (*[loop.NearPlaces]loop.Near)(unsafe.Pointer(&shared.near)),
		Fresh:       (*loop.Fresh)(unsafe.Pointer(&shared.fresh)),
	})
	if err != nil {
		return C.int64_t(errnoOf(err))
	}
	b := &binding{engine: e, shared: shared}
	shared.wake_fd = C.int32_t(e.Selector().WakeFd())
	shared.poll_fd = C.int32_t(e.Selector().Fd())
	b.publishRules()
	b.publish() // before a forked child may look for the descriptors
	if err := engines.store(b); err != nil {
		_ = e.Close()
		return C.int64_t(errnoOf(err))
	}
	for i, c := range []byte(e.Selector().Name()) {
		shared.selector[i] = C.char(c)
	}
	shared.selector[len(e.Selector().Name())] = 0
	e.OnChild(b)
	loops.Opened(b)
	return C.int64_t(b.handle)
}

// goloop_turn is loop.Engine.Turn on the shared rings.
//
//export goloop_turn
func goloop_turn(handle C.int64_t, flags C.uint32_t) (n C.int32_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			n = panicked
		}
	}()
	b := engines.find(int64(handle))
	if b == nil {
		return -C.int32_t(syscall.EBADF)
	}
	b.keepPace()
	b.learn()
	b.shared.unasked = 0 // begins anew
	count, err := b.engine.Turn(submissions(b.shared.sq, b.shared.sq_len), loop.TurnFlags(flags))
	b.publish()
	b.shared.near_left = C.int32_t(b.engine.HostTurns())
	if err != nil && count == 0 {
		return C.int32_t(errnoOf(err))
	}
	return C.int32_t(count)
}

// goloop_submit is loop.Engine.Submit.
//
//export goloop_submit
func goloop_submit(handle C.int64_t, sq *C.gl_sqe, count C.int32_t) (n C.int32_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			n = panicked
		}
	}()
	b := engines.find(int64(handle))
	if b == nil {
		return -C.int32_t(syscall.EBADF)
	}
	err := b.engine.Submit(submissions(sq, count))
	b.publish()
	if err != nil {
		return C.int32_t(errnoOf(err))
	}
	return 0
}

// goloop_read is loop.Engine.Read.
//
//export goloop_read
func goloop_read(handle C.int64_t, fd C.int32_t, gen C.uint32_t, p unsafe.Pointer, size C.int64_t) (n C.int64_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			n = panicked
		}
	}()
	b := engines.find(int64(handle))
	if b == nil {
		return -C.int64_t(syscall.EBADF)
	}
	got, err := b.engine.Read(int32(fd), uint32(gen), uintptr(p), int(size))
	b.shared.backlog = C.int32_t(b.engine.Backlog())
	if err != nil {
		return C.int64_t(errnoOf(err))
	}
	return C.int64_t(got)
}

// goloop_read_more is loop.Engine.ReadMore.
//
//export goloop_read_more
func goloop_read_more(handle C.int64_t, fd C.int32_t, gen C.uint32_t) (n C.int32_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			n = panicked
		}
	}()
	b := engines.find(int64(handle))
	if b == nil {
		return -C.int32_t(syscall.EBADF)
	}
	if b.engine.ReadMore(int32(fd), uint32(gen)) {
		return 1
	}
	return 0
}

// goloop_signal_fd is where signal.set_wakeup_fd lets signals write.
//
//export goloop_signal_fd
func goloop_signal_fd(handle C.int64_t) (fd C.int32_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			fd = panicked
		}
	}()
	b := engines.find(int64(handle))
	if b == nil {
		return -C.int32_t(syscall.EBADF)
	}
	s, err := b.openSignals()
	if err != nil {
		return C.int32_t(errnoOf(err))
	}
	b.publish()
	return C.int32_t(s.WakeupFd())
}

// goloop_stats copies the counters.
//
//export goloop_stats
func goloop_stats(handle C.int64_t, out *C.gl_stats) (rc C.int32_t) {
	defer caught(&rc)
	b := engines.find(int64(handle))
	if b == nil {
		return -C.int32_t(syscall.EBADF)
	}
	stats := b.engine.Stats()
	b.addOwn(&stats)
	*(*loop.Stats)(unsafe.Pointer(out)) = stats
	return 0
}

// goloop_write_buffer_limits is loop.WriteBufferLimits.Set.
//
//export goloop_write_buffer_limits
func goloop_write_buffer_limits(given C.int32_t, high, low *C.double, bytes *C.int64_t) (rc C.int32_t) {
	defer caught(&rc)
	w := loop.WriteBufferLimits{
		High: float64(*high), Low: float64(*low), HasHigh: given&C.GL_LIMIT_HIGH != 0, HasLow: given&C.GL_LIMIT_LOW != 0,
	}
	highWater, lowWater, err := w.Set()
	*high, *low = C.double(w.High), C.double(w.Low)
	if err != nil {
		return C.int32_t(errnoOf(err))
	}
	out := unsafe.Slice(bytes, 2)
	out[0], out[1] = C.int64_t(highWater), C.int64_t(lowWater)
	return 0
}

// goloop_address is loop.AddressOf.
//
//export goloop_address
func goloop_address(raw unsafe.Pointer, size C.int64_t, out *C.gl_address) (rc C.int32_t) {
	defer caught(&rc)
	*(*loop.Address)(unsafe.Pointer(out)) = loop.AddressOf(unsafe.Slice((*byte)(raw), int(size)))
	return 0
}

// goloop_sockaddr is loop.Name.Put.
//
//export goloop_sockaddr
func goloop_sockaddr(name *C.gl_name, out unsafe.Pointer) (n C.int32_t) {
	defer func() {
		if r := recover(); r != nil {
			keep(r)
			n = panicked
		}
	}()
	room := unsafe.Slice((*byte)(out), unix.SizeofSockaddrAny)
	return C.int32_t((*loop.Name)(unsafe.Pointer(name)).Put(room))
}

// goloop_close frees an engine and forgets its handle.
//
//export goloop_close
func goloop_close(handle C.int64_t) (rc C.int32_t) {
	defer caught(&rc)
	b := engines.release(int64(handle))
	if b == nil {
		return -C.int32_t(syscall.EBADF)
	}
	if b.thread != 0 { // it has taken turns
		move(b.thread, 0)
	}
	b.forget()
	err := b.engine.Close()
	if b.children != nil {
		b.children.Close()
	}
	if b.signals != nil {
		b.signals.Close()
	}
	if err != nil {
		return C.int32_t(errnoOf(err))
	}
	return 0
}

// goloop_panic_text copies the last panic of a call by this thread, with its stack, as UTF-8.
//
//export goloop_panic_text
func goloop_panic_text(out *C.char, size C.int32_t) (n C.int32_t) {
	defer func() { _ = recover() }()
	if size <= 0 {
		return 0
	}
	return C.int32_t(copy(unsafe.Slice((*byte)(unsafe.Pointer(out)), int(size)), lastPanic()))
}
