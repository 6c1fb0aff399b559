package main

/*
#include "abi.h"
*/
import "C"

import (
	"sync/atomic"
	"time"
	"unsafe"

	"goloop/control/loops"
	"goloop/loop"
)

// ID names the loop as long as the process lives.
func (b *binding) ID() int64 { return b.handle }

// Selector is the name of the engine's selector.
func (b *binding) Selector() string { return b.engine.Selector().Name() }

// Pulse reads what C writes, one number at a time, while the loop goes on or is stuck.
func (b *binding) Pulse() (p loops.Pulse, ok bool) {
	b.seen.Lock()
	defer b.seen.Unlock()
	if b.shared == nil {
		return p, false
	}
	c := &b.shared.pulse
	p = loops.Pulse{
		Phase: atomic.LoadUint32((*uint32)(&c.phase)), Native: atomic.LoadInt32((*int32)(&c.native)), Thread: word(&c.thread),
		Interpreter: atomic.LoadInt64((*int64)(&c.interpreter)), Turns: b.engine.Turns() + word(&b.shared.near_turns), Ran: ran(atomic.LoadUint64((*uint64)(unsafe.Pointer(&c.ran)))), Ready: word(&c.ready), MostReady: word(&c.most_ready),
	}
	if p.Phase == loop.PhaseEngine && b.engine.IsWaiting() {
		p.Phase = loop.PhaseWaiting
	}
	p.Running = time.Duration(atomic.LoadInt64((*int64)(&c.run_before)))
	if since := atomic.LoadInt64((*int64)(&c.run_since)); since != 0 {
		p.Running += time.Duration(b.engine.Now() - since)
	}
	p.Taken.Sum = time.Duration(word(&c.taken))
	for i := range p.Taken.Counts {
		p.Taken.Counts[i] = uint64(atomic.LoadUint32((*uint32)(&c.times[i])))
	}
	p.Late.Sum = time.Duration(word(&c.late))
	for i := range p.Late.Counts {
		p.Late.Counts[i] = uint64(atomic.LoadUint32((*uint32)(&c.lates[i])))
	}
	return p, true
}

// ran is what a gl_ran says.
func ran(word uint64) uint64 { return C.GL_TIMED*(word>>16) - word&0xffff }

func word(p *C.uint64_t) uint64 { return atomic.LoadUint64((*uint64)(unsafe.Pointer(p))) }

// Observe is loop.Engine.Observe, with what C has done itself.
func (b *binding) Observe(peers bool) (loop.Observation, bool) {
	b.seen.Lock()
	defer b.seen.Unlock()
	o, ok := b.engine.Observe(peers)
	if b.shared == nil {
		return o, false
	}
	b.addOwn(&o.Stats)
	return o, ok
}

func (b *binding) addOwn(stats *loop.Stats) {
	turns, events, reads := word(&b.shared.near_turns), word(&b.shared.near_events), word(&b.shared.near_reads)
	stats.Turns += turns
	stats.HostTurns = turns
	stats.Events += events
	stats.Completions += reads
	stats.Reads += reads
	stats.ReadBytes += word(&b.shared.near_bytes)
	stats.Writes += word(&b.shared.sent)
	stats.WriteBytes += word(&b.shared.sent_bytes)
}

// forget ends what others see: the memory that Pulse reads is about to be freed.
func (b *binding) forget() {
	loops.Closed(b)
	b.seen.Lock()
	b.shared = nil
	b.seen.Unlock()
}
