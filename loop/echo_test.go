//go:build unix

package loop

import (
	"testing"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// echo is a stream that sends back what it gets, and its peer, which is not in
// the engine.
type echo struct {
	*Engine
	ring    []Completion
	sq      [1]Submission
	stream  pair
	peer    int
	message []byte
}

func newEcho(t testing.TB, backend string, size int) *echo {
	t.Helper()
	e := &echo{ring: make([]Completion, 64), message: pattern(size)}
	var err error
	e.Engine, err = New(Options{Selector: backend, Completions: e.ring, Arena: make([]byte, 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	a, b := socketPair(t)
	e.stream, e.peer = pair{int32(a), 1}, b
	if err := e.Submit([]Submission{{Op: OpAttach, Fd: int32(a), Generation: 1}}); err != nil {
		t.Fatal(err)
	}
	return e
}

// round is two turns: one brings the message, one sends it back.
func (e *echo) round(t testing.TB) {
	if n, err := unix.Write(e.peer, e.message); n != len(e.message) || err != nil {
		t.Fatal("write:", n, err)
	}
	n, err := e.Turn(nil, TurnWait)
	if n != 1 || err != nil || e.ring[0].Kind != Data || e.ring[0].Len != int64(len(e.message)) {
		t.Fatal("Turn:", n, err, e.ring[:n])
	}
	e.sq[0] = Submission{Op: OpWrite, Fd: e.stream.fd, Generation: 1, Ptr: e.ring[0].Ptr, Len: e.ring[0].Len, User: 1}
	if n, err = e.Turn(e.sq[:], TurnPoll); n != 0 || err != nil || e.sq[0].Flags != FlagDone {
		t.Fatal("Turn:", n, err, e.sq)
	}
	if n, err := unix.Read(e.peer, e.message); n != len(e.message) || err != nil {
		t.Fatal("read:", n, err)
	}
}

// TestSteadyStateAllocatesNothing: nor do timers that come and go.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, name := range selector.Backends() {
		t.Run(name, func(t *testing.T) {
			e := newEcho(t, name, 1024)
			timer := [1]Submission{{User: 1}}
			allocations := testing.AllocsPerRun(200, func() {
				e.round(t)
				timer[0].Op, timer[0].Len = OpTimerAdd, e.Now()+1e12
				if _, err := e.Turn(timer[:], TurnPoll); err != nil {
					t.Fatal(err)
				}
				timer[0].Op, timer[0].User = OpTimerCancel, timer[0].Ptr
				if _, err := e.Turn(timer[:], TurnPoll); err != nil {
					t.Fatal(err)
				}
			})
			if allocations != 0 {
				t.Errorf("%v allocations a round", allocations)
			}
		})
	}
}

func BenchmarkEcho(b *testing.B) {
	for _, name := range selector.Backends() {
		b.Run(name, func(b *testing.B) {
			e := newEcho(b, name, 1024)
			b.SetBytes(int64(len(e.message)))
			b.ReportAllocs()
			for b.Loop() {
				e.round(b)
			}
		})
	}
}

// BenchmarkTurn is what the engine adds to the system calls: a turn that polls
// with nothing ready, and one that reads.
func BenchmarkTurn(b *testing.B) {
	b.Run("nothing ready", func(b *testing.B) {
		e := newEcho(b, "", 1024)
		b.ReportAllocs()
		for b.Loop() {
			if n, err := e.Turn(nil, TurnPoll); n != 0 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("one byte read", func(b *testing.B) {
		e := newEcho(b, "", 1)
		b.ReportAllocs()
		for b.Loop() {
			put(b, e.peer, e.message)
			n, err := e.Turn(nil, TurnPoll)
			if n != 1 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("timer due", func(b *testing.B) {
		e := newEcho(b, "", 1024)
		sq := [1]Submission{{Op: OpTimerAdd, User: 1, Len: 1}}
		b.ReportAllocs()
		for b.Loop() {
			if n, err := e.Turn(sq[:], 0); n != 1 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
}
