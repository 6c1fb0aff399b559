//go:build unix

package loop

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"goloop/internal/sys"
	"goloop/selector"
)

func TestNewRefuses(t *testing.T) {
	ring := make([]Completion, minRoom)
	if _, err := New(Options{Completions: ring, Arena: make([]byte, 2*minArena-1)}); !errors.Is(err, ErrArena) {
		t.Errorf("a small arena: %v", err)
	}
	if _, err := New(Options{Completions: ring[:minRoom-1]}); !errors.Is(err, ErrRing) {
		t.Errorf("a small ring: %v", err)
	}
	if _, err := New(Options{Completions: ring, Selector: "iocp"}); err == nil {
		t.Error("an unknown selector is no error")
	}
}

func TestClosedEngine(t *testing.T) {
	e, err := New(Options{Completions: make([]Completion, minRoom)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Error("Close:", err)
	}
	_, turn := e.Turn(nil, TurnWait)
	_, read := e.Read(0, 0, 0, 1)
	for _, err := range []error{turn, read, e.Submit(nil), e.AddSource(0, 1, nil)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("on a closed engine: %v", err)
		}
	}
	if err := e.Wake(); !errors.Is(err, selector.ErrClosed) {
		t.Errorf("Wake on a closed engine: %v", err)
	}
	if e.Backlog() != 0 || e.Selector().Len() != 0 {
		t.Error("a closed engine has a backlog or descriptors")
	}
}

// TestNoArena: an engine without an arena refuses what would need one.
func TestNoArena(t *testing.T) {
	e, err := New(Options{Completions: make([]Completion, minRoom)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, b := socketPair(t)
	put(t, b, []byte("x"))
	listener, _ := listen(t, 1)
	sq := []Submission{
		{Op: OpAttach, Fd: int32(a), Generation: 1},
		{Op: OpListen, Fd: int32(listener), Generation: 1},
	}
	n, err := e.Turn(sq, TurnPoll)
	if err != nil || n != 1 || e.cq[0].Kind != Error || sq[1].Res == 0 {
		t.Errorf("Turn = %d, %v: %+v, %+v", n, err, e.cq[:n], sq)
	}
}

// TestTurnOrder: descriptors first, then timers by time; what was left over from
// before comes before both.
func TestTurnOrder(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		now := r.Now()
		for id, due := range []int64{now - 1, now - 3, now - 3, now + int64(time.Hour), math.MinInt64} {
			r.submit(Submission{Op: OpTimerAdd, User: uint64(id), Len: due})
		}
		r.Complete(Completion{Kind: Signal, Res: 2})
		put(t, b, []byte("x"))
		got := r.turn(TurnPoll)
		if len(got) != 6 || got[0].Kind != Signal || got[1].Kind != Data || got[1].Fd != s.fd {
			t.Fatalf("completions %+v", got)
		}
		for i, id := range []uint64{4, 1, 2, 0} {
			if c := got[2+i]; c.Kind != TimerDue || c.User != id {
				t.Errorf("timer %d is %+v, want id %d", i, c, id)
			}
		}
		if d := r.Deadline(); d != now+int64(time.Hour) {
			t.Errorf("Deadline %d, want that of the last timer", d)
		}
	})
}

// TestManyTimersInOneSubmission are scheduled in the order in which they stand, among those of other submissions.
func TestManyTimersInOneSubmission(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		now := r.Now()
		hour := now + int64(time.Hour)
		many := []Timer{{now - 1, 1}, {now - 3, 2}, {now - 1, 3}, {now - 9, 0}, {hour, 4}, {now - 2, 5}}
		r.kept = many
		r.submit(Submission{Op: OpTimerAdd, User: 0, Len: now - 1})
		r.submit(Submission{Op: OpTimersAdd, Ptr: uint64(uintptr(unsafe.Pointer(&many[0]))), Len: int64(len(many))})
		if err := r.Submit(r.sq); err != nil {
			t.Fatal(err)
		}
		r.sq = nil
		if many[3].When != now-9 {
			t.Error("nobody's timer has a name")
		}
		r.submit(Submission{Op: OpTimerCancel, User: uint64(many[5].When)})
		r.submit(Submission{Op: OpTimerAdd, User: 6, Len: now - 1})
		var order []uint64
		for _, c := range r.turn(TurnPoll) {
			order = append(order, c.User)
		}
		if want := []uint64{2, 0, 1, 3, 6}; !slices.Equal(order, want) {
			t.Errorf("due are %v, want %v", order, want)
		}
		if d, added := r.Deadline(), r.Stats().TimersAdded; d != hour || added != 7 {
			t.Errorf("the next is due at %d, and %d were added", d, added)
		}
	})
}

// TestTimerOfThePastEndsTheWait: the distance to a time that is far enough gone
// does not fit into 64 bits.
func TestTimerOfThePastEndsTheWait(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		for id, due := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0} {
			r.submit(Submission{Op: OpTimerAdd, User: uint64(id), Len: due})
			if got := r.turn(TurnWait); len(got) != 1 || got[0].User != uint64(id) {
				t.Errorf("a timer for %d gave %+v", due, got)
			}
		}
		if r.expired.Load() {
			t.Error("the turn waited")
		}
	})
}

// TestTimerIsNeverEarly: nor does the engine spin before one.
func TestTimerIsNeverEarly(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		for id := range uint64(20) {
			due := sys.Monotonic() + int64(time.Millisecond) + int64(id)*7919
			r.submit(Submission{Op: OpTimerAdd, User: id, Len: due})
			turns := r.Stats().Turns
			r.until(func() bool { return r.Stats().TimersFired == id+1 })
			if late := sys.Monotonic() - due; late < 0 {
				t.Errorf("a timer was %d ns early", -late)
			}
			if n := r.Stats().Turns - turns; n > 3 {
				t.Errorf("%d turns for one timer", n)
			}
		}
	})
}

func TestWakeEndsTheWait(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		for range 50 {
			var woken sync.WaitGroup
			woken.Go(func() {
				if err := r.Wake(); err != nil {
					t.Error("Wake:", err)
				}
			})
			if got := r.turn(TurnWait); len(got) != 0 {
				t.Errorf("a wake-up is %+v", got)
			}
			woken.Wait()
		}
	})
}

// TestTinyRing: a ring of 8 loses nothing of what 100 streams, their queues,
// watches and timers have to tell, and none of it comes twice.
func TestTinyRing(t *testing.T) {
	onEveryBackendWith(t, settings{ring: 8}, func(t *testing.T, r *rig) {
		const streams, timers, chunks = 100, 100, 20
		want := map[Completion]bool{}
		expect := func(c Completion) { want[c] = true }
		var peers []int
		for i := range streams {
			a, b := socketPair(t)
			peers = append(peers, b)
			s := r.attach(a, uint32(i+1))
			put(t, b, []byte("data"))
			for range chunks { // what the first does not leave room for is released by Detach
				r.write(s, []byte("chunk"))
			}
			c, d := socketPair(t)
			put(t, d, []byte("x"))
			r.submit(Submission{Op: OpWatch, Flags: FlagRead | FlagWrite, Fd: int32(c), Generation: 1})
			expect(Completion{Kind: Data, Fd: s.fd, Generation: s.generation})
			expect(Completion{Kind: WatchReady, Fd: int32(c), Generation: 1, Flags: FlagRead})
			expect(Completion{Kind: WatchReady, Fd: int32(c), Generation: 1, Flags: FlagWrite})
		}
		for id := range uint64(timers) {
			r.submit(Submission{Op: OpTimerAdd, User: id, Len: 1})
			expect(Completion{Kind: TimerDue, User: id})
		}
		r.until(func() bool {
			for _, c := range r.inbox {
				if c.Kind == TimerDue || c.Kind == Data {
					c.Ptr, c.Len = 0, 0
					if !want[c] {
						t.Fatalf("%+v came twice or out of nothing", c)
					}
				}
				delete(want, c)
				if c.Kind == WatchReady {
					r.submit(Submission{Op: OpWatch, Fd: c.Fd, Generation: c.Generation}) // forget
				}
			}
			r.inbox = nil
			// A watch that was forgotten after one direction has not told the other.
			for c := range want {
				if c.Kind == WatchReady && r.lookup(c.Fd, c.Generation) == nil {
					delete(want, c)
				}
			}
			return len(want) == 0
		})

		// Hundreds of chunks let go of in one turn.
		large := pattern(1 << 19)
		for i, b := range peers {
			drain(t, b)
			s := r.attach(b, uint32(1000+i))
			r.write(s, large)
			for range chunks {
				r.write(s, []byte("queued"))
			}
			r.op(OpDetach, s)
		}
		r.turn(0)
		if r.Backlog() < streams*chunks/2 {
			t.Fatalf("Backlog %d: the queues were not filled", r.Backlog())
		}
		for r.Backlog() > 0 {
			before := r.Backlog()
			if n := len(r.turn(TurnWait)); n < min(8, before) { // more: there are ends of file
				t.Fatalf("a turn told %d of a backlog of %d", n, before)
			}
		}
		r.settled()
	})
}

// TestSmallArenaStarvesNone: 300 streams that are always ready share an arena
// that takes a dozen of their reads.
func TestSmallArenaStarvesNone(t *testing.T) {
	onEveryBackendWith(t, settings{arena: 2 * minArena}, func(t *testing.T, r *rig) {
		const streams, piece = 300, 6000
		served := map[pair]int{}
		peers := map[pair]int{}
		for i := range streams {
			a, b := socketPair(t)
			s := r.attach(a, uint32(i+1))
			peers[s], served[s] = b, 0
			put(t, b, make([]byte, piece))
		}
		perTurn, turns := 0, 0
		for ; turns < 400; turns++ {
			got := r.turn(TurnPoll)
			if perTurn == 0 {
				perTurn = len(got)
			}
			for _, c := range got {
				s := pair{c.Fd, c.Generation}
				if served[s]++; c.Len != piece {
					t.Fatalf("%+v, want %d bytes", c, piece)
				}
				put(t, peers[s], make([]byte, piece)) // ready again
			}
			clear(r.data)
		}
		if perTurn < 5 || perTurn > 40 {
			t.Fatalf("%d reads a turn: this tests nothing", perTurn)
		}
		least, most := math.MaxInt, 0
		for _, n := range served {
			least, most = min(least, n), max(most, n)
		}
		if fair := turns * perTurn / streams; least < fair-1 || most > fair+2 {
			t.Errorf("streams were served %d to %d times, the fair share is %d", least, most, fair)
		}
	})
}

// TestFullRingStarvesNone is the same for completions, among more streams than
// one turn takes from the selector.
func TestFullRingStarvesNone(t *testing.T) {
	const watched = 2 * maxEvents
	raiseLimit(t, watched+100)
	for _, name := range selector.Backends() {
		if name == "select" { // takes no descriptor above 1023
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t, name, settings{ring: 100})
			for range watched / 2 {
				a, b := socketPair(t)
				for _, fd := range []int{a, b} {
					r.submit(Submission{Op: OpWatch, Flags: FlagWrite, Fd: int32(fd), Generation: 1})
				}
			}
			served := map[int32]int{}
			for len(served) < watched {
				for _, c := range r.turn(TurnPoll) {
					served[c.Fd]++
				}
				r.inbox = nil
				if r.Stats().Turns > 20*watched/100 {
					t.Fatalf("after %d turns only %d of %d were served", r.Stats().Turns, len(served), watched)
				}
			}
		})
	}
}

func TestStats(t *testing.T) {
	r := newRig(t, "", settings{})
	a, b := socketPair(t)
	s := r.attach(a, 1)
	put(t, b, []byte("12345"))
	r.awaitData(s, 5)
	r.write(s, []byte("123"))
	r.submit(Submission{Op: OpTimerAdd, User: 0, Len: 0})
	r.submit(Submission{Op: OpTimerAdd, User: 1, Len: math.MaxInt64})
	r.submit(Submission{Op: OpTimerCancel, User: 1<<32 | 1})
	r.submit(Submission{})
	r.turn(0)
	want := Stats{
		Turns: 2, Events: 1, Submissions: 6, Completions: 2,
		Reads: 1, ReadBytes: 5, Writes: 1, WriteBytes: 3,
		TimersAdded: 2, TimersCancelled: 1, TimersFired: 1,
	}
	if got := r.Stats(); got != want {
		t.Errorf("Stats %+v, want %+v", got, want)
	}
}

// TestLooked: only a turn that asks the selector moves the time, and to its end.
func TestLooked(t *testing.T) {
	e, err := New(Options{Completions: make([]Completion, minRoom)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	turn := func(flags TurnFlags, sq ...Submission) int64 {
		if _, err := e.Turn(sq, flags); err != nil {
			t.Fatal(err)
		}
		return e.Looked()
	}
	if looked := turn(0); looked != 0 {
		t.Errorf("a turn that did not ask says that it did at %d", looked)
	}
	due := e.Now() + int64(2*time.Millisecond)
	waited := turn(TurnWait, Submission{Op: OpTimerAdd, User: 1, Len: due})
	if waited < due || waited > e.Now() {
		t.Errorf("the wait for %d ended at %d", due, waited)
	}
	if looked := turn(0); looked != waited {
		t.Errorf("a turn that did not ask moved the time by %d ns", looked-waited)
	}
	if looked := turn(TurnPoll); looked <= waited {
		t.Errorf("a poll moved the time by %d ns", looked-waited)
	}
}
