package main

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// A handle is a place in the table of open engines, from 1, and above it a number that is
// never used again: the handle of a closed engine does not name the next one.
const (
	placeBits = 20
	chunkBits = 10
)

// table holds the open engines. find takes no lock and writes nothing, so that turns of engines
// in different threads meet in no line of the processor's cache.
type table struct {
	// A place is written when an engine is opened or closed; its binding is complete by then.
	chunks [1 << (placeBits - chunkBits)]atomic.Pointer[chunk]

	// mu guards what follows and the writing of what is above.
	mu     sync.Mutex
	free   []uint64 // places below used without an engine
	used   uint64
	opened int64 // engines so far
}

type chunk [1 << chunkBits]atomic.Pointer[binding]

var engines table

// find returns the engine of a handle, or nil. What is no handle leads to a place without an engine or
// to another's, whose handle differs.
func (t *table) find(handle int64) *binding {
	place := placeOf(handle)
	if c := t.chunks[place>>chunkBits].Load(); c != nil {
		if b := c[place&(1<<chunkBits-1)].Load(); b != nil && b.handle == handle {
			return b
		}
	}
	return nil
}

func placeOf(handle int64) uint64 { return uint64(handle-1) & (1<<placeBits - 1) }

// store gives b a place and a handle. Error: EMFILE when a million engines are open.
func (t *table) store(b *binding) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := t.used
	if n := len(t.free); n > 0 {
		place = t.free[n-1]
		t.free = t.free[:n-1]
	} else if place == 1<<placeBits-1 {
		return syscall.EMFILE
	} else {
		t.used++
	}
	c := t.chunks[place>>chunkBits].Load()
	if c == nil {
		c = &chunk{}
		t.chunks[place>>chunkBits].Store(c)
	}
	t.opened++
	b.handle = t.opened<<placeBits | int64(place+1)
	b.enlist()
	c[place&(1<<chunkBits-1)].Store(b)
	return nil
}

// release takes the engine of a handle out of the table, once: of two calls that race, one gets
// nil.
func (t *table) release(handle int64) *binding {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.find(handle)
	if b == nil {
		return nil
	}
	place := placeOf(handle)
	t.chunks[place>>chunkBits].Load()[place&(1<<chunkBits-1)].Store(nil)
	t.free = append(t.free, place)
	b.delist()
	return b
}
