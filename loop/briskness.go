package loop

import (
	"math"
	"time"

	"goloop/internal/sys"
)

// When what is written leaves: in the call, as asyncio's does, when nothing of its transport
// waits. But one system call for many transports costs the loop up to a quarter less for each
// (docs/rationale.md). So a brisk crowd's writes are held back: those of a batch of Crowd callbacks
// or more, when the last briskAfter that ran in such batches were short; as callbacks return,
// until HoldSends wait or for HoldTime. The host knows of which transports they are not held, and when
// they leave earlier.
//
// What a long batch sends early wakes a client that will sleep again before it sends more, and each
// such waking costs some 10 µs. So once a batch has sent what it held, it holds what comes then for as
// long as it has run by then, long sends apart, up to HoldMost: the first answers leave as early as
// those of a short batch, and none waits longer for those after it than it has waited for those before.
//
// A callback that goes on for long thus holds up nobody's bytes, unless a thousand before it
// were short: then those of few, and once.
const (
	// Crowd is how many callbacks a batch has of which the host takes the time.
	Crowd = 4
	// HoldSends is how many writes are held at most when a callback has returned.
	HoldSends = 128
	// LongSend: the time that so many bytes take to be sent does not count as their callbacks', and what such a write's callback
	// does before the next counts as a callback.
	LongSend = 1 << 15
	// HoldTime is how long, in ns. A batch that takes no longer is short.
	HoldTime = int64(100 * time.Microsecond)
	// HoldMost is how long in a batch that has run for longer than HoldTime, in ns.
	HoldMost = int64(400 * time.Microsecond)
	// LookEvery: of a brisk crowd's batches only each second is preceded by a look at the selector.
	LookEvery = 2

	holdBytes     = 1<<19 - HighWater // of one stream, above its buffer's limit: with a write more they leave
	briskAfter    = 1000
	shortCallback = HoldTime // of longer ones each leaves with what it has written, brisk or not
)

// briskness tells from how long batches take whether the next may hold what it writes.
//
//	slow ──briskAfter callbacks in batches that were short, or short for their length──▶ brisk
//	brisk ──a batch that was neither──▶ slow
type briskness struct {
	callbacks int64 // in a row that were short, up to briskAfter
}

// ranShort notes callbacks of batches that took HoldTime or less.
func (b *briskness) ranShort(callbacks int64) {
	b.callbacks = min(b.callbacks+min(callbacks, briskAfter), briskAfter)
}

// ran notes one batch.
func (b *briskness) ran(callbacks, ns int64) {
	if ns-HoldTime > callbacks*shortCallback {
		b.callbacks = 0
		return
	}
	b.ranShort(callbacks)
}

// holdFrom is how many callbacks a batch has that holds what it writes.
func (b *briskness) holdFrom() int32 {
	if b.callbacks < briskAfter {
		return math.MaxInt32
	}
	return Crowd
}

// BatchesRan tells of batches of Crowd callbacks or more that the host has run since it did so last: of how many
// callbacks those were that took HoldTime or less, and of the last, when it took longer, its callbacks and its
// time in ns. A write of LongSend bytes or more counts as a callback.
func (e *Engine) BatchesRan(short, callbacks, ns int64) {
	e.briskness.ranShort(short)
	if ns > 0 {
		e.briskness.ran(callbacks, ns)
	}
}

// HoldFrom is how many callbacks the next batch has if it may hold what it writes; math.MaxInt32: it may not.
func (e *Engine) HoldFrom() int32 { return e.briskness.holdFrom() }

// tellRoom answers Room: how many bytes of a stream may be held, though that is more than its buffer's limit. So many it is as long
// as nothing of it waits here and the kernel has room for all of them, also by its own count, which is of whole buffers: none is then
// above the limit once they have been sent, and pause_writing comes when it would if they left at once.
func (e *Engine) tellRoom(s *Submission) {
	d := e.lookup(s.Fd, s.Generation) // nil: its Attach is held as well
	if s.Len <= holdBytes && (d == nil || d.queue.n == 0) {
		s.Res = int32(max(0, min(holdBytes, sys.SendRoom(s.Fd)/2)))
	}
}
