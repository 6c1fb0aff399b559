//go:build unix

package loop

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStreamDataThenEOF(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 7)
		put(t, b, []byte("hello"))
		if got := r.awaitData(s, 5); string(got) != "hello" {
			t.Errorf("Data %q", got)
		}
		closeFd(t, b)
		r.await(EOF, s)
		r.quiet() // an end of file stays readable, and is told once
		if n := r.Selector().Len(); n != 0 {
			t.Errorf("after EOF the selector watches %d descriptors", n)
		}
	})
}

func TestStreamKeepsWritingAfterEOF(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		if err := unix.Shutdown(b, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		r.await(EOF, s)
		r.write(s, []byte("still here"))
		r.turn(0)
		if got, _ := drain(t, b); string(got) != "still here" {
			t.Errorf("the peer got %q", got)
		}
		r.settled()
	})
}

func TestStreamReadError(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := tcpPair(t)
		s := r.attach(a, 1)
		r.turn(0)
		reset(t, b)
		c := r.await(Error, s)
		if syscall.Errno(c.Res) != syscall.ECONNRESET || c.Flags != FlagRead {
			t.Errorf("Error %+v, want ECONNRESET while reading", c)
		}
		r.op(OpResume, s)
		r.write(s, []byte("lost"))
		r.quiet()
		if w := r.sent[r.user]; w.flags != 0 {
			t.Errorf("a Write after Error has flags %#x", w.flags)
		}
		r.settled()
	})
}

// reset closes fd so that its peer gets ECONNRESET.
func reset(t *testing.T, fd int) {
	t.Helper()
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		t.Fatal(err)
	}
	closeFd(t, fd)
}

func TestStreamWriteErrorReleasesTheQueue(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.write(s, pattern(4<<20))
		r.write(s, []byte("behind"))
		r.turn(0)
		closeFd(t, b)
		c := r.await(Error, s)
		if errno := syscall.Errno(c.Res); errno != syscall.EPIPE && errno != syscall.ECONNRESET {
			t.Errorf("Error %+v, want EPIPE", c)
		}
		r.settled()
		r.quiet()
	})
}

func TestStreamWriteToClosedPeer(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.op(OpPause, s) // or the read would tell EOF first
		r.turn(0)
		closeFd(t, b)
		first, second := r.write(s, []byte("a")), r.write(s, []byte("b"))
		r.turn(0)
		if c := r.await(Error, s); syscall.Errno(c.Res) != syscall.EPIPE || c.Flags != FlagWrite {
			t.Errorf("Error %+v, want EPIPE while writing", c)
		}
		for _, user := range []uint64{first, second} {
			if w := r.sent[user]; w.flags != FlagFailed || w.errno != syscall.EPIPE || w.taken != 1 {
				t.Errorf("a failed Write is %+v, want FlagFailed, EPIPE and its Len", w)
			}
		}
		r.quiet()
		r.settled()
	})
}

func TestStreamPausedKeepsDataInTheKernel(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.sq[0].Flags |= FlagPaused
		put(t, b, []byte("early"))
		r.quiet()
		r.op(OpResume, s)
		if got := r.awaitData(s, 5); string(got) != "early" {
			t.Errorf("after Resume: %q", got)
		}
		r.op(OpPause, s)
		r.turn(0)
		if n := r.Selector().Len(); n != 1 {
			t.Errorf("a pause without data cost the registration: %d", n)
		}
		put(t, b, []byte("late"))
		r.quiet()
		if n := r.Selector().Len(); n != 0 {
			t.Errorf("a paused stream with data keeps the selector ready: %d registered", n)
		}
		put(t, b, []byte("r"))
		if pending, _ := unix.IoctlGetInt(a, fionread); pending != 5 {
			t.Errorf("the kernel holds %d bytes, want 5", pending)
		}
		r.op(OpResume, s)
		if got := r.awaitData(s, 5); string(got) != "later" {
			t.Errorf("after the second Resume: %q", got)
		}
	})
}

func TestStreamPausedTellsEOFAfterResume(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.op(OpPause, s)
		put(t, b, []byte("last"))
		closeFd(t, b)
		r.quiet()
		r.quiet()
		r.op(OpResume, s)
		r.await(EOF, s)
		if got := r.awaitData(s, 4); string(got) != "last" {
			t.Errorf("before EOF: %q", got)
		}
	})
}

func TestStreamDirectReads(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		want := pattern(directFrom)
		if n, err := unix.Write(b, want); n != len(want) {
			t.Skipf("the kernel takes only %d bytes at once (%v)", n, err)
		}
		if got := r.awaitData(s, len(want)); !bytes.Equal(got, want) {
			t.Fatal("a large read differs")
		}

		// A stream that fills its reads announces the next.
		put(t, b, []byte("abc"))
		if c := r.await(Readable, s); c.Len != maxRead {
			t.Errorf("Readable %+v, want Len %d", c, maxRead)
		}
		p := make([]byte, 2)
		read := func(p []byte) (int, error) {
			return r.Read(s.fd, s.generation, uintptr(address(p)), len(p))
		}
		if n, err := read(p); n != 2 || err != nil || string(p) != "ab" {
			t.Errorf("Read = %d, %v: %q", n, err, p)
		}
		r.inbox = nil
		r.await(Readable, s) // it filled the buffer: still direct
		if n, err := read(p); n != 1 || err != nil || p[0] != 'c' {
			t.Errorf("Read = %d, %v: %q", n, err, p)
		}
		if n, err := read(p); n != 0 || err != nil {
			t.Errorf("Read of nothing = %d, %v", n, err)
		}
		put(t, b, []byte("small"))
		if got := r.awaitData(s, 5); string(got) != "small" {
			t.Errorf("after a short direct read: %q", got)
		}

		if n, err := r.Read(s.fd, 99, uintptr(address(p)), len(p)); n != 0 || err != nil {
			t.Errorf("Read of a stale pair = %d, %v", n, err)
		}
		if n, err := r.Read(s.fd, s.generation, 0, 0); n != 0 || err != nil {
			t.Errorf("Read of 0 bytes = %d, %v", n, err)
		}
		closeFd(t, b)
		if n, err := read(p); n != 0 || err != nil {
			t.Errorf("Read at the end = %d, %v", n, err)
		}
		if r.Backlog() != 1 {
			t.Errorf("Backlog %d after an end of file outside a turn, want 1", r.Backlog())
		}
		r.turn(TurnWait) // must not wait: a completion does
		if r.count(EOF, s) != 1 {
			t.Errorf("completions %+v, want one EOF", r.inbox)
		}
		r.quiet()
	})
}

func TestStreamShutdownAfterTheQueue(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		want := pattern(1 << 20)
		r.write(s, want)
		r.op(OpShutdown, s)
		r.turn(0)
		var got []byte
		ended := false
		r.until(func() bool {
			part, end := drain(t, b)
			got = append(got, part...)
			ended = ended || end
			return ended
		})
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes before the end of file, want %d as sent", len(got), len(want))
		}
		put(t, b, []byte("answer")) // the other direction goes on
		if got := r.awaitData(s, 6); string(got) != "answer" {
			t.Errorf("after Shutdown: %q", got)
		}
		r.settled()
	})
}

func TestStreamShutdownAtOnce(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attach(a, 1)
		r.write(s, []byte("bye"))
		r.op(OpShutdown, s)
		r.now()
		if got, ended := drain(t, b); string(got) != "bye" || !ended {
			t.Errorf("the peer got %q, ended %v", got, ended)
		}
		r.settled()
	})
}

// TestStreamTransfer sends several MiB in writes of random size both ways,
// between two streams of one engine, with pauses.
func TestStreamTransfer(t *testing.T) {
	const total = 3 << 20
	for name, open := range map[string]func(testing.TB) (int, int){"tcp": tcpPair, "unix": socketPair} {
		t.Run(name, func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, r *rig) {
				random := rand.New(rand.NewPCG(1, 2))
				a, b := open(t)
				ends := [2]pair{r.attach(a, 1), r.attach(b, 1)}
				want := [2][]byte{pattern(total), pattern(total + 1)[:total]}
				sent := [2]int{}
				paused := [2]bool{}
				direct := make([]byte, maxRead)
				r.until(func() bool {
					for i, s := range ends {
						for _, c := range r.inbox {
							if c.Kind == Readable && c.Fd == s.fd {
								n, err := r.Read(s.fd, s.generation, uintptr(address(direct)), len(direct))
								if err != nil {
									t.Fatal("Read:", err)
								}
								r.data[s] = append(r.data[s], direct[:n]...)
							}
						}
						for r.buffered[s] < 1<<18 && sent[i] < total {
							// Mostly small, some large, as programs write.
							n := min(1+random.IntN(1<<(1+random.IntN(17))), total-sent[i])
							r.write(s, want[i][sent[i]:sent[i]+n])
							sent[i] += n
						}
						if sent[i] < total && random.IntN(16) == 0 {
							r.op([2]Op{OpPause, OpResume}[random.IntN(2)], s)
							paused[i] = r.sq[len(r.sq)-1].Op == OpPause
						} else if paused[i] {
							r.op(OpResume, s) // or the turn might wait for ever
							paused[i] = false
						}
					}
					r.inbox = nil
					return len(r.data[ends[0]]) >= total && len(r.data[ends[1]]) >= total
				})
				for i, s := range ends {
					if !bytes.Equal(r.data[s], want[1-i]) {
						t.Errorf("%v got %d bytes that differ from the %d sent", s, len(r.data[s]), total)
					}
				}
				for len(r.turn(TurnPoll)) > 0 { // the last Released and Wrote
				}
				r.settled()
				for s, n := range r.buffered {
					if n != 0 {
						t.Errorf("%d bytes of %v are counted as not written", n, s)
					}
				}
				if st := r.Stats(); st.ReadBytes != 2*total || st.WriteBytes != 2*total {
					t.Errorf("Stats: %d bytes read, %d written, want %d", st.ReadBytes, st.WriteBytes, 2*total)
				}
			})
		})
	}
}

func TestStreamAttachRefused(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, _ := socketPair(t)
		closeFd(t, a)
		for _, fd := range []int{a, -1, 1 << 30} {
			s := r.attach(fd, 3)
			if c := r.await(Error, s); syscall.Errno(c.Res) != syscall.EBADF {
				t.Errorf("Attach of %d: %+v, want EBADF", fd, c)
			}
			r.op(OpClose, s)
		}
		r.quiet()
	})
}
