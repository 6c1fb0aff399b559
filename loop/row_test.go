package loop

import "testing"

// fetch reads up to n bytes of s, and returns how many, and whether to read on.
func (r *rig) fetch(s pair, n int) (int, bool) {
	r.t.Helper()
	p := make([]byte, n)
	got, err := r.Read(s.fd, s.generation, uintptr(address(p)), n)
	if err != nil {
		r.t.Fatal("Read:", err)
	}
	r.Engine.row.began = r.clock.now() // else a slow machine ends the row
	return got, r.ReadMore(s.fd, s.generation)
}

// rowing is a stream with plenty to read, that a Readable has just named.
func rowing(t *testing.T, r *rig) pair {
	t.Helper()
	a, b := tcpPair(t)
	s := r.attach(a, 1)
	if n := fill(t, b); n < 12*directFrom {
		t.Skipf("the kernel takes only %d bytes at once", n)
	}
	r.await(Data, s)
	r.inbox = nil
	r.await(Readable, s)
	return s
}

// TestReadMore: a stream that fills its reads has four of them in a turn.
func TestReadMore(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		s := rowing(t, r)
		if r.ReadMore(s.fd, s.generation) {
			t.Error("a row goes on that has not begun")
		}
		for turn := range 2 {
			for i := 1; i <= rowReads; i++ {
				e := r.Engine
				e.row.began += rowTime // else a slow machine ends the row
				if n, more := r.fetch(s, directFrom); n != directFrom || more != (i < rowReads) {
					t.Errorf("turn %d, read %d: %d bytes, more %v", turn, i, n, more)
				}
			}
			r.inbox = nil
			if turn == 0 {
				r.await(Readable, s)
			}
		}
		r.settled()
	})
}

// TestReadMoreEnds: what ends a row early.
func TestReadMoreEnds(t *testing.T) {
	for name, end := range map[string]func(r *rig, s pair){
		"a read that is not filled": func(r *rig, s pair) {
			r.fetch(s, 1<<22)
		},
		"a read in vain": func(r *rig, s pair) {
			for n := 1; n > 0; {
				n, _ = r.fetch(s, 1<<22)
			}
		},
		"a small buffer": func(r *rig, s pair) {
			r.fetch(s, directFrom-1)
		},
		"its time is over": func(r *rig, s pair) {
			r.Engine.row.began -= 3 * rowTime
		},
		"a pause": func(r *rig, s pair) {
			r.op(OpPause, s)
			r.now()
		},
		"a discarded stream": func(r *rig, s pair) {
			r.op(OpDiscard, s)
			r.now()
		},
		"another stream": func(r *rig, s pair) {
			other := r.attach(func() int { a, _ := tcpPair(r.t); return a }(), 1)
			r.now()
			r.fetch(other, directFrom)
		},
		"another turn": func(r *rig, s pair) {
			r.turn(0)
		},
		"a new owner of the number": func(r *rig, s pair) {
			r.op(OpDetach, s)
			r.attach(int(s.fd), s.generation+1)
			r.now()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, r *rig) {
				s := rowing(t, r)
				r.fetch(s, directFrom)
				r.Engine.row.began = r.clock.now() + rowTime
				if !r.ReadMore(s.fd, s.generation) {
					t.Fatal("a row of one read")
				}
				end(r, s)
				if r.ReadMore(s.fd, s.generation) {
					t.Error("the row goes on")
				}
			})
		})
	}
}
