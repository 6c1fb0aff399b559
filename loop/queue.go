package loop

import (
	"syscall"

	"goloop/internal/mapped"
)

// chunk is the unwritten rest of one Write, or the Message of one Send.
type chunk struct {
	ptr  uint64
	len  int64 // of a Send: what it counts for
	user uint64
	next uint32 // in its list; 0: the last
}

// queue is a list of chunks, which are named by their place from 1.
type queue struct {
	first, last uint32
	n           int
	bytes       int64 // that its chunks count for
}

// chunks holds the queues of all descriptors of an engine, in one array that fails to grow
// where a program that writes without end has taken all memory. It is given back when
// all are empty.
//
//	free ──push──▶ in the queue of a descriptor ──pop──▶ free
//	                  └──drop──▶ dropped ──pop, as Released──▶ free
type chunks struct {
	all     mapped.Slice[chunk]
	free    uint32 // a list
	used    int
	dropped queue // by descriptors that write no more: to be told as Released
}

func (c *chunks) at(i uint32) *chunk { return &c.all.Items[i-1] }

// push appends to a queue. It is false when there is no memory.
func (c *chunks) push(q *queue, x chunk) bool {
	i := c.free
	if i != 0 {
		c.free = c.at(i).next
	} else {
		n := len(c.all.Items)
		if n == cap(c.all.Items) && !c.all.Grow(1) {
			return false
		}
		c.all.Items = c.all.Items[:n+1]
		i = uint32(n + 1)
	}
	c.used++
	x.next = 0
	*c.at(i) = x
	if q.n == 0 {
		q.first = i
	} else {
		c.at(q.last).next = i
	}
	q.last = i
	q.n++
	q.bytes += x.len
	return true
}

// room is how many chunks can be pushed without asking the system for memory.
func (c *chunks) room() int { return len(c.all.Items) - c.used + c.all.Room() }

// reserve makes room for n chunks. It is false when there is no memory.
func (c *chunks) reserve(n int) bool { return c.all.Grow(n - (len(c.all.Items) - c.used)) }

// pop takes the first chunk of a queue that is not empty.
func (c *chunks) pop(q *queue) {
	i := q.first
	first := c.at(i)
	q.first = first.next
	q.n--
	q.bytes -= first.len
	first.next = c.free
	c.free = i
	if c.used--; c.used == 0 {
		c.free = 0
		c.all.Items = c.all.Items[:0]
		c.all.Reserve(0)
	}
}

// drop takes all of a queue, in a moment however long it is.
func (c *chunks) drop(q *queue) {
	if q.n == 0 {
		return
	}
	if c.dropped.n == 0 {
		c.dropped = *q
	} else {
		c.at(c.dropped.last).next = q.first
		c.dropped.last = q.last
		c.dropped.n += q.n
		c.dropped.bytes += q.bytes
	}
	*q = queue{}
}

// enqueue keeps what is left of s after the kernel took n bytes. Where there is no memory
// for that, the stream ends with ENOMEM; of datagrams, s is lost with it.
func (e *Engine) enqueue(d *descriptor, s *Submission, n int64) {
	if !d.broken && e.chunks.push(&d.queue, chunk{ptr: s.Ptr + uint64(n), len: s.Len - n, user: s.User}) {
		s.Flags |= FlagQueued
		s.Len = n
		s.Res = 0
		return
	}
	s.Flags |= FlagFailed
	s.Res = int32(syscall.ENOMEM)
	switch {
	case d.kind != datagram:
		e.fail(d, FlagWrite, int32(syscall.ENOMEM))
	case s.Flags&FlagAlone == 0:
		e.sendFailed(d, syscall.ENOMEM)
	}
}

// flushQueue writes what waits, now that the descriptor is writable.
func (e *Engine) flushQueue(d *descriptor) {
	if d.broken || d.queue.n == 0 {
		e.refresh(d)
		return
	}
	// One completion for the bytes, one for each chunk that is finished.
	limit := min(maxIovecs, e.room()-1, d.queue.n)
	if limit <= 0 {
		return
	}
	for i, at := 0, d.queue.first; i < limit; i++ {
		c := e.chunks.at(at)
		e.vector.set(i, c.ptr, c.len)
		at = c.next
	}
	n, errno := d.sendVector(&e.vector, limit)
	if errno != 0 {
		if errno != syscall.EAGAIN && errno != syscall.EINTR {
			e.fail(d, FlagWrite, int32(errno))
		}
		return
	}
	e.stats.Writes += counted
	e.stats.WriteBytes += counted * uint64(n)
	left := int64(n)
	for d.queue.n > 0 {
		c := e.chunks.at(d.queue.first)
		if c.len > left {
			c.ptr += uint64(left)
			c.len -= left
			d.queue.bytes -= left
			break
		}
		left -= c.len
		e.Complete(Completion{Kind: Released, User: c.user})
		e.chunks.pop(&d.queue)
	}
	e.Complete(Completion{Kind: Wrote, Fd: d.fd, Generation: d.generation, Len: int64(n)})
	e.finishWriting(d)
}

// dropQueue releases what waits without writing it.
func (e *Engine) dropQueue(d *descriptor) {
	e.chunks.drop(&d.queue)
	if d.dirty && d.first >= 0 {
		d.first, d.last = -1, -1 // their submissions keep no flag: C lets go
	}
}

// tellDropped releases what was dropped, as far as there is room.
func (e *Engine) tellDropped() {
	for q := &e.chunks.dropped; q.n > 0 && e.room() > 0; {
		e.Complete(Completion{Kind: Released, User: e.chunks.at(q.first).user})
		e.chunks.pop(q)
	}
}
