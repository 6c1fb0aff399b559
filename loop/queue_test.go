//go:build unix

package loop

import (
	"bytes"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWritesOfATurnLeaveTogether(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		for _, word := range []string{"one ", "", "two ", "three"} {
			r.write(s, []byte(word))
		}
		r.turn(0)
		if got, _ := drain(t, b); string(got) != "one two three" {
			t.Errorf("the peer got %q", got)
		}
		if n := r.Stats().Writes; n != 1 {
			t.Errorf("%d system calls for one turn's writes", n)
		}
		for user, w := range r.sent {
			if w.flags != FlagDone {
				t.Errorf("Write %d has flags %#x, want Done", user, w.flags)
			}
		}
		r.settled()
	})
}

// TestWriteChain sends more pieces in one turn than one system call takes.
func TestWriteChain(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		want := pattern(3*maxIovecs - 100)
		for i := range want {
			r.write(s, want[i:i+1])
		}
		r.turn(0)
		if got, _ := drain(t, b); !bytes.Equal(got, want) {
			t.Errorf("the peer got %d bytes, want %d in order", len(got), len(want))
		}
		if n := r.Stats().Writes; n != 3 {
			t.Errorf("%d system calls, want 3", n)
		}
		r.settled()
	})
}

// TestWriteQueue fills a socket with a small buffer and lets the peer read bit by
// bit: queues longer than one system call takes, chunks that leave in parts.
func TestWriteQueue(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		if err := unix.SetsockoptInt(a, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
			t.Fatal(err)
		}
		s := r.attach(a, 1)
		const piece, pieces = 37, 5 * maxIovecs
		want := pattern(piece * pieces)
		for i := range pieces / 2 {
			r.write(s, want[i*piece:(i+1)*piece])
		}
		r.turn(0)
		var done, parts, queued int
		for _, w := range r.sent {
			switch {
			case w.flags == FlagDone:
				done++
			case w.taken > 0:
				parts++
			default:
				queued++
			}
		}
		if parts > 1 || queued == 0 {
			t.Fatalf("of the first writes %d are done, %d in part, %d not at all", done, parts, queued)
		}
		for i := pieces / 2; i < pieces; i++ { // behind a queue
			r.write(s, want[i*piece:(i+1)*piece])
		}
		var got []byte
		r.until(func() bool {
			part, _ := drain(t, b)
			got = append(got, part...)
			return len(got) == len(want)
		})
		if !bytes.Equal(got, want) {
			t.Error("the bytes differ")
		}
		r.until(func() bool { return len(r.chunks) == 0 })
		r.settled()
		var order []uint64
		for _, c := range r.inbox {
			if c.Kind == Released {
				order = append(order, c.User)
			}
		}
		if !slices.IsSorted(order) {
			t.Error("chunks were released out of order")
		}
		if r.buffered[s] != 0 {
			t.Errorf("Write.Len and Wrote leave %d bytes", r.buffered[s])
		}
		if d := r.lookup(s.fd, s.generation); d.registered != 1 {
			t.Errorf("with an empty queue the selector watches %v", d.registered)
		}
	})
}

// TestQueueDoesNotGrow keeps a queue from ever being empty.
func TestQueueDoesNotGrow(t *testing.T) {
	r := newRig(t, "", settings{})
	a, b := socketPair(t)
	s := r.attach(a, 1)
	r.op(OpPause, s)
	r.turn(0)
	chunk := pattern(fill(t, a) / 8)
	drain(t, b)
	for range 200 {
		for r.buffered[s] < int64(12*len(chunk)) {
			r.write(s, chunk)
			r.turn(0)
		}
		drain(t, b)
		r.turn(TurnPoll)
		if n := len(r.Engine.chunks.all.Items); n > 256 {
			t.Fatalf("there are %d chunks for a queue of %d", n, r.lookup(s.fd, s.generation).queue.n)
		}
	}
}

// TestQueueIsReleasedOnce ends a stream with a queue in every way there is.
func TestQueueIsReleasedOnce(t *testing.T) {
	ends := []struct {
		name string
		end  func(r *rig, s pair)
	}{
		{"Discard", func(r *rig, s pair) { r.op(OpDiscard, s) }},
		{"Detach", func(r *rig, s pair) { r.op(OpDetach, s) }},
		{"Close", func(r *rig, s pair) { r.op(OpClose, s) }},
		{"Discard then Close", func(r *rig, s pair) { r.op(OpDiscard, s); r.op(OpClose, s) }},
		{"the last turns", func(r *rig, s pair) {
			for len(r.turn(TurnLast)) > 0 {
				continue
			}
		}},
		{"Attach of a new generation", func(r *rig, s pair) { r.attach(int(s.fd), s.generation+1) }},
		{"Watch of a new generation", func(r *rig, s pair) {
			r.submit(Submission{Op: OpWatch, Flags: FlagRead, Fd: s.fd, Generation: s.generation + 1})
		}},
	}
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			onEveryBackendWith(t, settings{ring: 8}, func(t *testing.T, r *rig) {
				a, _ := socketPair(t)
				s := r.attach(a, 1)
				r.write(s, pattern(1<<20))
				for range 50 {
					r.write(s, []byte("queued"))
				}
				r.turn(0)
				r.write(s, []byte("behind"))
				if end.name != "Attach of a new generation" && end.name != "Watch of a new generation" {
					r.now() // a chunk in the queue and one in the turn
				}
				end.end(r, s)
				r.write(s, []byte("too late"))
				r.turn(0)
				if w := r.sent[r.user]; w.flags != 0 {
					t.Errorf("a Write after the end has flags %#x", w.flags)
				}
				r.settled()
				r.quiet()
				for _, c := range r.inbox {
					if c.Kind != Released {
						t.Errorf("unexpected %+v", c)
					}
				}
				if end.name == "Close" || end.name == "Discard then Close" {
					if _, err := unix.FcntlInt(uintptr(a), unix.F_GETFD, 0); err != unix.EBADF {
						t.Errorf("after Close the descriptor is open (%v)", err)
					}
				}
			})
		})
	}
}

// TestAttachOverUnsentWrites takes a number over in the turn that wrote to it.
func TestAttachOverUnsentWrites(t *testing.T) {
	r := newRig(t, "", settings{})
	a, b := socketPair(t)
	s := r.attach(a, 1)
	first := r.write(s, []byte("first"))
	next := r.attach(a, 2)
	second := r.write(next, []byte("second"))
	r.turn(0)
	if w := r.sent[first]; w.flags != 0 {
		t.Errorf("the write of the old generation has flags %#x", w.flags)
	}
	if w := r.sent[second]; w.flags != FlagDone {
		t.Errorf("the write of the new generation has flags %#x", w.flags)
	}
	if got, _ := drain(t, b); string(got) != "second" {
		t.Errorf("the peer got %q", got)
	}
	r.settled()
}

// TestWriteLeavesBeforeClose: what a turn wrote has its chance before an end
// that comes in the same turn.
func TestWriteLeavesBeforeClose(t *testing.T) {
	for _, op := range []Op{OpDiscard, OpDetach, OpClose} {
		r := newRig(t, "", settings{})
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.write(s, []byte("parting"))
		r.write(s, []byte(" words"))
		r.op(op, s)
		r.turn(0)
		if got, _ := drain(t, b); string(got) != "parting words" {
			t.Errorf("before operation %d the peer got %q", op, got)
		}
		r.settled()
	}
}

func TestStaleSubmissions(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 5)
		r.turn(0)
		stale := pair{s.fd, 4}
		for _, op := range []Op{OpShutdown, OpPause, OpResume, OpDiscard, OpDetach, OpClose} {
			for _, p := range []pair{stale, {-1, 5}, {1 << 30, 5}} {
				expectErrno(t, "operation on a stale pair", r.errno(Submission{Op: op, Fd: p.fd, Generation: p.generation}), syscall.EBADF)
			}
		}
		expectErrno(t, "unknown operation", r.errno(Submission{Op: 200, Fd: s.fd, Generation: 5}), syscall.EINVAL)
		r.write(stale, []byte("for another"))
		r.turn(0)
		if w := r.sent[r.user]; w.flags != 0 || w.errno != 0 {
			t.Errorf("a stale Write is %+v", w)
		}
		if got, _ := drain(t, b); len(got) != 0 {
			t.Errorf("a stale Write reached the peer: %q", got)
		}
		put(t, b, []byte("x")) // and the stream is as it was
		r.awaitData(s, 1)
		r.settled()
	})
}

// TestStreamOperationsOnOthers: what is for streams leaves other descriptors alone.
func TestStreamOperationsOnOthers(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		watch := Submission{Op: OpWatch, Flags: FlagWrite, Fd: int32(a), Generation: 1}
		expectErrno(t, "Watch", r.errno(watch), 0)
		for _, op := range []Op{OpShutdown, OpPause, OpResume, OpDiscard} {
			expectErrno(t, "stream operation on a watched descriptor",
				r.errno(Submission{Op: op, Fd: int32(a), Generation: 1}), syscall.EINVAL)
		}
		r.write(pair{int32(a), 1}, []byte("no stream"))
		put(t, b, []byte("x"))
		got := r.turn(TurnPoll)
		if len(got) != 1 || got[0].Kind != WatchReady || got[0].Flags != FlagWrite {
			t.Errorf("completions %+v, want one WatchReady to write", got)
		}
		put(t, a, []byte("open"))
		if got, ended := drain(t, b); string(got) != "open" || ended {
			t.Errorf("the peer got %q, ended %v", got, ended)
		}
		r.settled()
	})
}

// TestLongQueues: queues of several streams in one array, told as Released through a small ring
// when they are dropped; then the array is given back.
func TestLongQueues(t *testing.T) {
	r := newRig(t, "", settings{ring: 64})
	word := []byte("queued")
	var streams []pair
	for i := range 3 {
		a, b := socketPair(t)
		s := r.attach(a, uint32(i+1))
		r.write(s, pattern(fill(t, a)))
		r.now()
		drain(t, b)
		streams = append(streams, s)
	}
	for range 5000 {
		for _, s := range streams {
			r.write(s, word)
		}
	}
	r.now()
	if n := r.Engine.chunks.used; n < 10_000 {
		t.Fatalf("%d chunks are in use", n)
	}
	for _, s := range streams {
		r.op(OpDiscard, s)
	}
	r.turn(0)
	r.settled()
	r.quiet()
	if c := &r.Engine.chunks; c.used != 0 || c.dropped.n != 0 || cap(c.all.Items) > 2000 {
		t.Errorf("%d chunks in use, %d dropped, room for %d", c.used, c.dropped.n, cap(c.all.Items))
	}
}

// TestQueueRoom: so many writes are queued without growth, and OpQueueReserve makes more.
func TestQueueRoom(t *testing.T) {
	var c chunks
	defer c.all.Free()
	var q, other queue
	for round := range 4 {
		n := 700 << round
		if !c.reserve(n) || c.room() < n {
			t.Fatalf("room for %d, want %d", c.room(), n)
		}
		before := max(cap(c.all.Items), c.all.Room())
		for i := range n {
			c.push(&q, chunk{user: uint64(i)})
			if i%3 == 0 {
				c.push(&other, chunk{})
				c.pop(&other)
			}
		}
		if after := cap(c.all.Items); after > before {
			t.Errorf("the array has grown from %d to %d", before, after)
		}
		for range n / 2 {
			c.pop(&q)
		}
	}
	for q.n > 0 {
		c.pop(&q)
	}
	if c.used != 0 || len(c.all.Items) != 0 {
		t.Errorf("%d chunks are in use of %d", c.used, len(c.all.Items))
	}
}
