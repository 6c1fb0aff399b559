package loop

import (
	"goloop/internal/batch"
	"goloop/selector"
)

// A turn that serves many sockets reads and writes them in batches, which saves system
// calls. From a handful on that pays (docs/rationale.md): an engine opens its batch when a
// turn first has so many. Where the system has none, or forbids it, each socket has its
// own calls.

const (
	fewest    = 3       // sockets of a batch; fewer are served one by one
	batchSend = 1 << 18 // bytes that one system call sends: it holds up the collector so long
	batchRead = 1 << 12 // bytes: streams whose last read was longer read alone
	batchSlot = 1 << 11 // bytes of the arena that a read in a batch has at least
)

// batching returns the batch, which it opens at need, or nil.
func (e *Engine) batching() *batch.Batch {
	if e.batch == nil && !e.unbatched {
		e.batch = batch.Open()
		e.unbatched = e.batch == nil
	}
	return e.batch
}

// endBatch empties the batch. It closes one that the system refuses to serve.
func (e *Engine) endBatch() {
	refused := e.batch.Refused()
	e.batch.Reset()
	if refused {
		e.unbatched = true
		e.closeBatch()
	}
}

func (e *Engine) closeBatch() {
	if e.batch != nil {
		e.batch.Close()
		e.batch = nil
	}
}

// BatchFd is the descriptor of the batch, or -1.
func (e *Engine) BatchFd() int {
	if e.batch == nil {
		return -1
	}
	return e.batch.Fd()
}

// flushTogether sends what this turn wrote to streams with a batch, as far as it
// can; the others stay dirty.
func (e *Engine) flushTogether() {
	b := e.batching()
	if b == nil {
		return
	}
	for from := 0; from < len(e.dirty) && b == e.batch; {
		from = e.flushSome(b, from)
	}
}

// flushSome fills the batch from e.dirty[from:], runs it, and returns where it
// stopped.
func (e *Engine) flushSome(b *batch.Batch, from int) int {
	left := int64(batchSend)
	for ; from < len(e.dirty); from++ {
		d := e.dirty[from]
		if !d.dirty || d.kind != stream || d.pipe || d.broken {
			continue
		}
		room := left
		for i := d.first; i >= 0 && room >= 0; i = e.sq[i].Res {
			if room -= e.sq[i].Len; !b.Gather(e.sq[i].Ptr, e.sq[i].Len) {
				room = -1
			}
		}
		if room < 0 || !b.Send(d.fd) {
			b.Ungather()
			if b.Len() > 0 {
				break
			}
			continue // too much for any batch
		}
		left = room
		d.dirty = false // it may stand in e.dirty again, when an operation between its writes has flushed it
		e.batched = append(e.batched, d)
	}
	run := len(e.batched) >= e.fewest
	if run {
		b.Run()
		e.stats.Batches += counted
	}
	for k, d := range e.batched {
		n, errno := 0, batch.ErrNotTried
		if run {
			n, errno = b.Result(k)
		}
		if errno == batch.ErrNotTried {
			d.dirty = true // it has its own call
			continue
		}
		i := d.first
		d.first, d.last = -1, -1
		count, total := e.chain(i)
		if e.sent(d, i, count, total, n, errno) >= 0 {
			panic("loop: a batch left a part of a chain")
		}
		e.finishWriting(d)
	}
	e.endBatch()
	clear(e.batched)
	e.batched = e.batched[:0]
	return from
}

// receiveTogether reads ahead for the streams at the head of events, so far as they
// fit into one batch and into this turn, and returns how many events it has looked at, at
// least one. A descriptor that was read for has to be dispatched in this turn.
func (e *Engine) receiveTogether(events []selector.Event) int {
	if len(events) < e.fewest {
		return len(events)
	}
	n := e.together(events)
	if n < e.fewest {
		return n + 1
	}
	b := e.batching()
	if b == nil {
		return n
	}
	start := e.arenaEnd
	for i := range n {
		d := e.fds[events[i].Fd]
		slot := d.readSlot()
		d.at = address(e.arena[e.arenaEnd:])
		e.arenaEnd += slot
		b.Receive(d.fd, d.at, slot)
	}
	b.Run()
	e.stats.Batches += counted
	used := start // what lies behind the last bytes is free again: ends of files need no room
	for i, end := 0, start; i < n; i++ {
		d := e.fds[events[i].Fd]
		slot := d.readSlot()
		end += slot
		got, errno := b.Result(i)
		if errno == batch.ErrNotTried {
			continue // it reads alone
		}
		d.fetched, d.got, d.errno = true, int32(got), int32(errno)
		if got > 0 {
			used = end
			d.recent = int32(got)
			if got == slot {
				d.recent = int32(2 * got) // there is more: at some length it reads alone
			}
		}
	}
	e.arenaEnd = used
	e.endBatch()
	return n
}

// left delivers what a batch has read for events that this turn leaves to the next, and
// returns the others.
func (e *Engine) left(events []selector.Event) []selector.Event {
	others := events[:0]
	for _, ev := range events {
		if d := e.lookup(ev.Fd, ev.Generation); d != nil && d.fetched {
			e.readStream(d)
		} else {
			others = append(others, ev)
		}
	}
	return others
}

// together is how many events, from the first, one batch can read for in this turn:
// of as many descriptors, for a second read would take the place of the first.
func (e *Engine) together(events []selector.Event) int {
	limit := min(batch.Max, len(events), e.room()/minRoom)
	budget := turnBytes - e.spent
	free := len(e.arena) - e.arenaEnd
	n := 0
	e.choice++
	for ; n < limit && budget > 0; n++ {
		d := e.lookup(events[n].Fd, events[n].Generation)
		if d == nil || events[n].Ready != selector.EventRead || !d.readsTogether() || free < d.readSlot() {
			break
		}
		if d.chosen == e.choice {
			break // reported twice, as epoll may do for a number that dup2 has given another file
		}
		d.chosen = e.choice
		budget -= int(d.recent)
		free -= d.readSlot()
	}
	return n
}

// readsTogether tells whether a batch may read for d: what it brings is then
// exactly one completion.
func (d *descriptor) readsTogether() bool {
	return d.kind == stream && !d.pipe && !d.direct && !d.paused && !d.ended && !d.broken &&
		d.recent > 0 && d.recent <= batchRead && d.queue.n == 0
}

// readSlot is the arena's part of a read in a batch. Its odd length keeps the heads of
// messages from sharing few lines of the processor's cache.
func (d *descriptor) readSlot() int { return (max(2*int(d.recent), batchSlot)+63)&^63 + 64 }
