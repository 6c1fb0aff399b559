package loop

import (
	"errors"
	"syscall"

	"goloop/internal/sys"
	"goloop/selector"
)

// A stream is a connected, non-blocking descriptor: a socket, or one end of a pipe (pipe.go).
//
//	reading ──Pause──▶ paused ──Resume──▶ reading
//	reading ──read gives 0──▶ ended            (EOF is told once)
//	any ──error, Discard──▶ broken             (Error is told once)
//	any ──Shutdown──▶ shutdown(2) once the queue is empty; ──refused──▶ broken

// attach starts a stream. A refusal of the selector is told as an Error.
func (e *Engine) attach(s *Submission) {
	d := e.claim(s.Fd, s.Generation, stream)
	switch {
	case d == nil:
		e.Complete(Completion{Kind: Error, Flags: FlagRead, Fd: s.Fd, Generation: s.Generation, Res: int32(syscall.EBADF)})
	case e.arena == nil:
		e.fail(d, FlagRead, int32(syscall.EINVAL))
	default:
		d.pipe = s.Flags&FlagPipe != 0
		d.hangup = s.Flags&FlagHangup != 0
		d.paused = s.Flags&FlagPaused != 0 || d.hangup
		e.refresh(d)
	}
}

// interest is what the selector has to watch a stream for.
func (d *descriptor) interest() selector.Events {
	var want selector.Events
	if !d.broken {
		if (!d.paused || d.hangup) && !d.ended {
			want |= selector.EventRead
		}
		if d.queue.n > 0 {
			want |= selector.EventWrite
		}
	}
	return want
}

// refresh makes the selector's interest that of the stream's state.
func (e *Engine) refresh(d *descriptor) {
	if err := e.setInterest(d, d.interest()); err != nil {
		e.fail(d, FlagRead, errnoOf(err))
	}
}

// fail tells an error, once, and ends the stream, or the datagram socket, for both directions.
func (e *Engine) fail(d *descriptor, direction uint16, errno int32) {
	if !e.breakOff(d, errno) {
		return
	}
	if d.kind == datagram {
		direction |= FlagFatal
	}
	e.Complete(Completion{Kind: Error, Flags: direction, Fd: d.fd, Generation: d.generation, Res: errno})
}

// breakOff is fail's part for who has told the error. false: there was one before.
func (e *Engine) breakOff(d *descriptor, errno int32) bool {
	if d.broken {
		return false
	}
	d.broken = true
	e.near.loses(d)
	d.gone = errno == int32(syscall.EBADF) && !d.pipe // read(2) also says so of the other end of a pipe
	e.dropQueue(d)
	e.setInterest(d, 0)
	return true
}

// endReading is for a stream whose end of file has been read.
func (e *Engine) endReading(d *descriptor) {
	d.ended = true
	e.near.loses(d)
	e.refresh(d)
}

// readStream reads once: level-triggering brings back what a read leaves.
func (e *Engine) readStream(d *descriptor) {
	if d.fetched { // it is delivered whatever has become of d
		d.fetched = false
		e.settleRead(d, d.at, int(d.got), syscall.Errno(d.errno))
		return
	}
	if d.paused || d.ended || d.broken {
		if d.hangup {
			e.hangUp(d)
		}
		e.refresh(d)
		return
	}
	if d.direct {
		e.spent += directFrom
		e.Complete(Completion{Kind: Readable, Fd: d.fd, Generation: d.generation, Len: maxRead})
		return
	}
	buf := e.arena[e.arenaEnd:min(e.arenaEnd+maxRead, len(e.arena))]
	at := address(buf)
	n, errno := d.receive(uintptr(at), len(buf))
	if errno == 0 {
		e.arenaEnd = min(e.arenaEnd+(n+63)&^63, len(e.arena))
		d.recent = int32(n)
		if e.near.few && n > 0 {
			e.near.has(d, n)
		}
	}
	e.settleRead(d, at, n, errno)
}

// settleRead tells what a read into the arena has come to.
func (e *Engine) settleRead(d *descriptor, at uint64, n int, errno syscall.Errno) {
	if errno == 0 && n > 0 {
		e.spent += n
		if d.direct = n >= directFrom; d.direct {
			e.near.loses(d)
		}
		d.idle = 0
		e.stats.Reads += counted
		e.stats.ReadBytes += counted * uint64(n)
		e.Complete(Completion{Kind: Data, Fd: d.fd, Generation: d.generation, Ptr: at, Len: int64(n)})
		return
	}
	e.readNothing(d, errno)
}

// readNothing settles a read that brought no bytes.
func (e *Engine) readNothing(d *descriptor, errno syscall.Errno) {
	switch errno {
	case 0:
		e.endReading(d)
		e.Complete(Completion{Kind: EOF, Fd: d.fd, Generation: d.generation})
	case syscall.EAGAIN, syscall.EINTR:
		e.readInVain(d)
	default:
		e.fail(d, FlagRead, int32(errno))
	}
}

// readInVain notices a descriptor that is announced and has nothing, again and again: dup2 has put
// another file at its number, and the selector watches the one before. Asked anew, it finds out.
func (e *Engine) readInVain(d *descriptor) {
	d.idle++
	if d.idle < 8 || d.registered == 0 { // another process that reads the same file is no reason
		return
	}
	d.idle = 0
	want := d.registered
	err := e.sel.Modify(int(d.fd), want, d.generation)
	if errors.Is(err, selector.ErrMoved) {
		d.registered = 0
		err = e.setInterest(d, want)
	}
	if err != nil {
		e.fail(d, FlagRead, errnoOf(err))
	}
}

// Read fetches up to n bytes to address p for a stream that a Readable named.
// It returns the number of bytes, 0 when there is nothing to deliver now; an end
// of file or an error is told by a completion of the next turn.
func (e *Engine) Read(fd int32, generation uint32, p uintptr, n int) (int, error) {
	if e.closed {
		return 0, ErrClosed
	}
	d := e.lookup(fd, generation)
	if d == nil || d.kind != stream || d.ended || d.broken || n <= 0 {
		return 0, nil
	}
	now := e.clock.now()
	got, errno := d.receive(p, n)
	e.row.read(d, now, got, n)
	if errno == 0 && got > 0 {
		// Two thirds of the threshold keep a stream from changing its mind at each read.
		d.direct = got >= directFrom*2/3 || got == n
		d.idle = 0
		e.stats.Reads += counted
		e.stats.ReadBytes += counted * uint64(got)
		return got, nil
	}
	e.readNothing(d, errno)
	return 0, nil
}

// submitWrite chains a Write behind those that the same turn brought before. It
// does the same with a Send, k being datagram.
func (e *Engine) submitWrite(i int, s *Submission, k kind) {
	tried := k == stream && s.Flags&FlagTried != 0
	if tried {
		s.Flags = 0
	}
	d := e.lookup(s.Fd, s.Generation)
	if d == nil || d.kind != k || d.broken {
		return // neither flag: C lets go of the bytes
	}
	if d.queue.n > 0 {
		e.enqueue(d, s, 0)
		return
	}
	if tried && d.first < 0 {
		e.submitTried(d, i, s)
		return
	}
	s.Res = -1
	if d.first < 0 {
		d.first = int32(i)
		if !d.dirty {
			d.dirty = true
			e.dirty = append(e.dirty, d)
		}
	} else {
		e.sq[d.last].Res = int32(i)
	}
	d.last = int32(i)
}

// flush sends all that this turn submitted for d.
func (e *Engine) flush(d *descriptor) {
	if d.kind == datagram {
		e.flushSends(d)
	} else {
		e.flushWrites(d)
	}
}

// flushWrites sends all that this turn wrote to d.
func (e *Engine) flushWrites(d *descriptor) {
	d.dirty = false
	i := d.first
	d.first, d.last = -1, -1
	if d.broken || d.kind != stream {
		return
	}
	for i >= 0 {
		// One system call takes the chain, or its first maxIovecs members.
		count, total := e.chain(i)
		var n int
		var errno syscall.Errno
		if count == 1 {
			n, errno = d.send(uintptr(e.sq[i].Ptr), int(total))
		} else {
			for j, k := i, 0; k < count; k++ {
				e.vector.set(k, e.sq[j].Ptr, e.sq[j].Len)
				j = e.sq[j].Res
			}
			n, errno = d.sendVector(&e.vector, count)
		}
		i = e.sent(d, i, count, total, n, errno)
	}
	e.finishWriting(d)
}

// chain is how many writes from i on one system call takes, and their bytes.
func (e *Engine) chain(i int32) (count int, total int64) {
	for ; i >= 0 && count < maxIovecs; i = e.sq[i].Res {
		total += e.sq[i].Len
		count++
	}
	return count, total
}

// sent settles the first count writes of a chain, of total bytes, of which the kernel
// took n. It returns the next of the chain, or -1.
func (e *Engine) sent(d *descriptor, i int32, count int, total int64, n int, errno syscall.Errno) int32 {
	if errno != 0 {
		n = 0
		if errno != syscall.EAGAIN && errno != syscall.EINTR {
			e.fail(d, FlagWrite, int32(errno))
			for i >= 0 {
				s := &e.sq[i]
				i = s.Res
				s.Flags |= FlagFailed
				s.Res = int32(errno)
			}
			return -1
		}
	}
	e.stats.Writes += counted
	e.stats.WriteBytes += counted * uint64(n)
	left := int64(n)
	full := left == total
	for ; i >= 0 && count > 0; count-- {
		s := &e.sq[i]
		next := s.Res
		if s.Len <= left {
			left -= s.Len
			s.Flags |= FlagDone
			s.Res = 0
		} else {
			e.enqueue(d, s, left)
			left = 0
		}
		i = next
	}
	if !full {
		for ; i >= 0; i = e.queueRest(d, i) {
		}
	}
	return i
}

func (e *Engine) queueRest(d *descriptor, i int32) int32 {
	s := &e.sq[i]
	next := s.Res
	e.enqueue(d, s, 0)
	return next
}

// finishWriting sends a wanted end of file once the queue is empty, and sets
// the interest in writability.
func (e *Engine) finishWriting(d *descriptor) {
	if d.queue.n == 0 && d.shutdown && !d.broken {
		d.shutdown = false
		e.endWriting(d)
	}
	if (d.queue.n > 0) != (d.registered&selector.EventWrite != 0) {
		e.refresh(d)
	}
}

// endWriting sends the end of file. A refusal is told as that of a write; but a socket that
// has no connection any more has lost it, which reading tells better.
func (e *Engine) endWriting(d *descriptor) {
	var errno syscall.Errno
	if errors.As(sys.Shutdown(int(d.fd), syscall.SHUT_WR), &errno) && errno != syscall.ENOTCONN {
		e.fail(d, FlagWrite, int32(errno))
	}
}
