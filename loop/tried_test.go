//go:build unix

package loop

import (
	"bytes"
	"slices"
	"syscall"
	"testing"
)

// tried submits a Write that the host has tried, with what it came to.
func (r *rig) tried(p pair, b []byte, errno syscall.Errno) uint64 {
	user := r.write(p, b)
	s := &r.sq[len(r.sq)-1]
	s.Flags, s.Res = FlagTried, int32(errno)
	return user
}

// TestTriedWriteWaits: the engine does not try what the host has tried for the room it did not find.
func TestTriedWriteWaits(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.turn(0)
		want := make([]byte, fill(t, a))
		first, second := pattern(1<<16), pattern(1000)
		user := r.tried(s, first, syscall.EAGAIN)
		r.now()
		if w := r.sent[user]; w.flags != FlagQueued || w.taken != 0 {
			t.Errorf("%+v, want it queued", w)
		}
		r.tried(s, second, syscall.EAGAIN)
		r.write(s, first[:10])
		want = slices.Concat(want, first, second, first[:10])
		var got []byte
		r.until(func() bool {
			some, _ := drain(t, b)
			got = append(got, some...)
			return r.buffered[s] == 0
		})
		some, _ := drain(t, b)
		if got = append(got, some...); !bytes.Equal(got, want) {
			t.Errorf("the peer got %d bytes, want %d in order", len(got), len(want))
		}
		r.settled()
	})
}

// TestTriedWriteAfterOthers: what stands before it in the turn has not left when it says so.
func TestTriedWriteAfterOthers(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.write(s, []byte("one "))
		r.tried(s, []byte("two"), syscall.EAGAIN)
		r.turn(0)
		if got, _ := drain(t, b); string(got) != "one two" {
			t.Errorf("the peer got %q", got)
		}
		r.settled()
	})
}

// TestTriedWriteFails: the errno that the host has seen is told, and no second one.
func TestTriedWriteFails(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		s := r.attach(a, 1)
		r.turn(0)
		user := r.tried(s, []byte("hello"), syscall.ECONNRESET)
		r.now()
		w := r.sent[user]
		if w.flags != FlagFailed {
			t.Errorf("%+v, want it failed", w)
		}
		expectErrno(t, "the write", w.errno, syscall.ECONNRESET)
		c := r.await(Error, s)
		expectErrno(t, "the error", syscall.Errno(c.Res), syscall.ECONNRESET)
		if c.Flags != FlagWrite {
			t.Errorf("the error is of %#x", c.Flags)
		}
		r.quiet()
		r.settled()
	})
}

func TestTriedWriteOfAStalePair(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		s := r.attach(a, 1)
		r.turn(0)
		r.op(OpDetach, s)
		user := r.tried(s, []byte("hello"), syscall.EAGAIN)
		r.turn(0)
		if w := r.sent[user]; w.flags&(FlagQueued|FlagDone|FlagFailed) != 0 {
			t.Errorf("%+v of a stale pair", w)
		}
	})
}
