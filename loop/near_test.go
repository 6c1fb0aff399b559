//go:build unix

package loop

import (
	"syscall"
	"testing"
	"time"
)

// nearRig is a rig whose engine lists near streams, with two that take turns.
type nearRig struct {
	*rig
	places *[NearPlaces]Near
	peers  [2]int
	pairs  [2]pair
}

func newNearRig(t *testing.T) *nearRig {
	t.Helper()
	r := &nearRig{rig: newRig(t, "", settings{}), places: new([NearPlaces]Near)}
	if !HostTries || r.compares {
		t.Skip("no stream is near")
	}
	r.near = nearness{places: r.places, after: nearAfter}
	for i := range r.peers {
		a, b := socketPair(t)
		r.pairs[i], r.peers[i] = r.attach(a, uint32(i+1)), b
	}
	r.turn(0)
	return r
}

// brings has a message of size bytes come for stream i, in a turn of its own.
func (r *nearRig) brings(t *testing.T, i, size int) {
	t.Helper()
	put(t, r.peers[i], make([]byte, size))
	r.awaitData(r.pairs[i], size)
}

// isNear tells whether stream i is on the list.
func (r *nearRig) isNear(i int) bool {
	p := r.places[r.pairs[i].fd&(NearPlaces-1)]
	return p.Fd == r.pairs[i].fd && p.Generation == r.pairs[i].generation
}

func TestNearStreams(t *testing.T) {
	r := newNearRig(t)
	if r.isNear(0) {
		t.Error("near before it has brought anything")
	}
	r.brings(t, 0, 10)
	r.brings(t, 1, NearBytes)
	if !r.isNear(0) || !r.isNear(1) {
		t.Errorf("%+v", r.places)
	}
	if p := r.places[r.pairs[0].fd&(NearPlaces-1)]; p.Pipe != 0 {
		t.Error("a socket is a pipe")
	}
}

// TestNearNoMore: whatever ends a stream's reading, or makes it more than a short message's, takes it off the list.
func TestNearNoMore(t *testing.T) {
	for _, test := range []struct {
		name string
		what func(r *nearRig)
	}{
		{"Pause", func(r *nearRig) { r.op(OpPause, r.pairs[0]) }},
		{"Discard", func(r *nearRig) { r.op(OpDiscard, r.pairs[0]) }},
		{"Detach", func(r *nearRig) { r.op(OpDetach, r.pairs[0]) }},
		{"a long message", func(r *nearRig) { r.brings(t, 0, NearBytes+1) }},
		{"end of file", func(r *nearRig) {
			_ = syscall.Shutdown(r.peers[0], syscall.SHUT_WR)
			r.await(EOF, r.pairs[0])
		}},
		{"an error", func(r *nearRig) {
			r.submit(Submission{Op: OpRead, Fd: r.pairs[0].fd, Generation: r.pairs[0].generation, Res: int32(syscall.ECONNRESET)})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newNearRig(t)
			r.brings(t, 0, 10)
			test.what(r)
			r.turn(0)
			if r.isNear(0) {
				t.Error("still near")
			}
		})
	}
}

// TestHostTurns: they are granted after turns with near streams alone, and not once one was for nothing, or with much to read.
func TestHostTurns(t *testing.T) {
	r := newNearRig(t)
	warm := func() {
		t.Helper()
		for i := range nearAfter {
			if got := r.HostTurns(); got != 0 {
				t.Fatalf("%d after %d turns", got, i)
			}
			r.brings(t, i%2, 10)
		}
		if got := r.HostTurns(); got != nearTurns {
			t.Fatalf("%d after %d turns", got, nearAfter)
		}
	}
	warm()
	r.HostTook(nearWorth, true)
	warm()
	r.HostTook(nearTurns, false)
	if r.HostTurns() == 0 {
		t.Error("none after a grant that was used up")
	}
	r.HostTook(nearWorth-1, true)
	for i := range 2 * nearAfter {
		if got := r.HostTurns(); got != 0 {
			t.Fatalf("%d after %d turns behind one for nothing", got, i)
		}
		r.brings(t, i%2, 10)
	}
	for range 20 {
		r.HostTook(0, true)
	}
	if r.near.after > nearSeldom {
		t.Errorf("asks for %d turns", r.near.after)
	}
	r.HostTook(nearWorth, true)
	warm()
	r.brings(t, 0, NearBytes+1)
	warm()
	a, b := socketPair(t)
	watched := pair{int32(a), 9}
	r.submit(Submission{Op: OpWatch, Flags: FlagRead, Fd: watched.fd, Generation: watched.generation})
	put(t, b, []byte("x"))
	r.await(WatchReady, watched)
	r.submit(Submission{Op: OpWatch, Fd: watched.fd, Generation: watched.generation})
	r.turn(0)
	warm()
	r.submit(Submission{Op: OpTimerAdd, Len: r.Now() + int64(time.Millisecond)})
	r.await(TimerDue, pair{})
	if got := r.HostTurns(); got != nearTurns {
		t.Errorf("%d after a wait that a timer has ended", got)
	}
}

// TestHostRead: what the host has told of its reads, the engine does not tell, though it would meet it; an error also ends writing.
func TestHostRead(t *testing.T) {
	r := newNearRig(t)
	for i, errno := range []syscall.Errno{0, syscall.ECONNRESET} {
		p := r.pairs[i]
		if err := syscall.Shutdown(r.peers[i], syscall.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		r.submit(Submission{Op: OpRead, Fd: p.fd, Generation: p.generation, Res: int32(errno)})
		r.quiet()
		if n := r.count(EOF, p) + r.count(Error, p); n != 0 {
			t.Errorf("%v is told %d times", errno, n)
		}
		if d := r.lookup(p.fd, p.generation); d.ended != (errno == 0) || d.broken != (errno != 0) {
			t.Errorf("%v: ended %v, broken %v", errno, d.ended, d.broken)
		}
	}
	stale := []Submission{{Op: OpRead, Fd: r.pairs[0].fd, Generation: 77}}
	if err := r.Submit(stale); err != nil || stale[0].Res != int32(syscall.EBADF) {
		t.Errorf("a stale pair: %+v, %v", stale[0], err)
	}
}
