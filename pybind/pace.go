package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

// The runtime's monitor looks every 10 ms at a P that is in use. It takes it away when that has scheduled nothing since
// the look before, which a thread that only makes exported calls never does by itself, and then looks some 60 times in 20 ms. So such a
// thread yields between two looks. To the runtime it is locked to its goroutine: another thread is woken to find that and to pass a P
// back, which it waits for, 24 us in all. So it yields as late as it may.
//
// A loop whose waits give the P up has nothing that can be taken. After such a wait the monitor takes the P for one that has
// scheduled nothing for long, which is cheap as long as no other is in use. Only if the loop then goes on for yieldAwake, it yields.
const (
	yieldWithin = int64(9800 * time.Microsecond)
	yieldAwake  = int64(time.Millisecond)
	marginMost  = int64(500 * time.Microsecond)
	marginShare = 4 // of the longest turn, which the next one may exceed by that
)

// pace tells when a loop's thread yields: before a turn, if after it may be too late. Times are the loop's, Looked: of the last turn,
// which saves a reading of the clock.
type pace struct {
	yielded      int64 // 0: never
	looked       int64 // at the last turn
	longest, was int64 // ns between two turns: since the last yield, and between the two yields before it
}

// step notes that a turn begins, and reports whether to yield before it. parked: the wait of the last turn gave the P up.
func (p *pace) step(looked int64, parked bool) bool {
	if parked {
		p.yields(looked)
		p.yielded -= yieldWithin - yieldAwake
	} else if p.looked != 0 {
		p.longest = max(p.longest, looked-p.looked)
	}
	p.looked = looked
	return p.isLate()
}

func (p *pace) isLate() bool {
	longest := max(p.longest, p.was)
	return p.looked+longest+min(longest/marginShare, marginMost)-p.yielded > yieldWithin
}

func (p *pace) yields(looked int64) { p.yielded, p.was, p.longest = looked, p.longest, 0 }

// lastYield is the last of all bindings, where and when. Threads that run at once may mix the two up: then one
// yields too often, or late by a turn.
var lastYield struct {
	thread atomic.Uint64
	looked atomic.Int64
}

// keepPace yields when it is time, and sees to it that each thread that runs loops has a P.
func (b *binding) keepPace() {
	looked, parked := b.engine.Looked(), b.engine.Parked()
	late := b.pace.step(looked, parked)
	if !parked && !late {
		return
	}
	thread := thisThread()
	if thread != b.thread {
		from := b.thread
		b.thread = thread
		provide(move(from, thread))
	}
	if parked {
		return
	}
	if b.pace.yielded == 0 && lastYield.thread.Load() == uint64(thread) { // what counts is the thread, not its loop
		b.pace.yielded = lastYield.looked.Load()
		if !b.pace.isLate() {
			return
		}
	}
	b.pace.yields(looked)
	lastYield.thread.Store(uint64(thread))
	lastYield.looked.Store(looked)
	runtime.Gosched()
}
