//go:build unix

package loop

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// pipeEnds makes a pipe: its reading end, its writing end, both non-blocking.
func pipeEnds(t testing.TB) (int, int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	for _, fd := range p {
		own(t, fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return p[0], p[1]
}

func (r *rig) attachPipe(fd int, flags uint16) pair {
	p := r.attach(fd, 1)
	r.sq[len(r.sq)-1].Flags = FlagPipe | flags
	return p
}

func TestReadPipe(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		reader, writer := pipeEnds(t)
		s := r.attachPipe(reader, 0)
		put(t, writer, []byte("first"))
		if got := r.awaitData(s, 5); string(got) != "first" {
			t.Errorf("got %q", got)
		}
		put(t, writer, []byte("last"))
		unix.Close(writer)
		r.await(EOF, s)
		if got := r.data[s]; string(got) != "last" {
			t.Errorf("before the end came %q", got)
		}
		r.quiet()
	})
}

func TestPausedPipeIsNotRead(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		reader, writer := pipeEnds(t)
		s := r.attachPipe(reader, FlagPaused)
		put(t, writer, []byte("waits"))
		r.quiet()
		r.op(OpResume, s)
		if got := r.awaitData(s, 5); string(got) != "waits" {
			t.Errorf("got %q", got)
		}
		r.op(OpPause, s)
		put(t, writer, []byte("again"))
		r.quiet()
		if got, _ := drain(t, reader); string(got) != "again" {
			t.Errorf("a paused pipe lost %q", "again")
		}
	})
}

// TestWritePipe writes what fits at once, alone and in one system call, and what
// has to wait for the reader.
func TestWritePipe(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		reader, writer := pipeEnds(t)
		s := r.attachPipe(writer, FlagHangup)
		r.write(s, []byte("single"))
		r.turn(TurnPoll)
		r.write(s, []byte(" and"))
		r.write(s, []byte(" several"))
		r.turn(TurnPoll)
		if got, _ := drain(t, reader); string(got) != "single and several" {
			t.Errorf("through the pipe came %q", got)
		}
		large := pattern(1 << 20)
		r.write(s, large)
		r.turn(TurnPoll)
		var got []byte
		r.until(func() bool {
			some, _ := drain(t, reader)
			got = append(got, some...)
			return len(got) == len(large)
		})
		if !bytes.Equal(got, large) {
			t.Error("the large write came out changed")
		}
		if n := r.count(EOF, s) + r.count(Error, s); n != 0 {
			t.Errorf("%d completions of an end that was none", n)
		}
		r.settled()
	})
}

func TestWriterHearsThatItsReaderHasGone(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		reader, writer := pipeEnds(t)
		s := r.attachPipe(writer, FlagHangup)
		r.quiet()
		unix.Close(reader)
		r.await(EOF, s)
		r.quiet() // once
		user := r.write(s, []byte("too late"))
		r.turn(TurnPoll)
		if w := r.sent[user]; w.flags != 0 {
			t.Errorf("a write after the end is %+v", w)
		}
		r.quiet()
		r.settled()
	})
}

// TestHangupReleasesTheQueue: it is told as the end, not as an error of the write
// that can no longer happen.
func TestHangupReleasesTheQueue(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		reader, writer := pipeEnds(t)
		s := r.attachPipe(writer, FlagHangup)
		r.write(s, pattern(1<<20))
		r.turn(TurnPoll)
		unix.Close(reader)
		r.await(EOF, s)
		r.quiet()
		if n := r.count(Error, s); n != 0 {
			t.Errorf("%d errors besides", n)
		}
		r.settled()
	})
}

func TestWriteWithoutReaderFails(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		reader, writer := pipeEnds(t)
		unix.Close(reader)
		s := r.attachPipe(writer, FlagHangup)
		user := r.write(s, []byte("x"))
		if c := r.await(Error, s); c.Flags != FlagWrite || syscall.Errno(c.Res) != syscall.EPIPE {
			t.Errorf("the error is %+v, want EPIPE of a write", c)
		}
		if w := r.sent[user]; w.flags != FlagFailed || w.errno != syscall.EPIPE {
			t.Errorf("the write is %+v", w)
		}
		r.quiet()
	})
}

// TestSocketAsPipe: what a peer sends to who only writes is taken as its end, as
// asyncio takes it.
func TestSocketAsPipe(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		s := r.attachPipe(a, FlagHangup)
		r.op(OpResume, s) // there is nothing to resume
		r.write(s, []byte("x"))
		r.turn(TurnPoll)
		if got, _ := drain(t, b); string(got) != "x" {
			t.Errorf("the peer got %q", got)
		}
		put(t, b, []byte("unasked"))
		r.await(EOF, s)
		r.quiet()
	})
}

// TestDeviceThatTheSelectorRefuses: it can be written, and reading it is refused
// without harm to what is written.
func TestDeviceThatTheSelectorRefuses(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		own(t, null)
		s := r.attachPipe(null, FlagPaused)
		user := r.write(s, []byte("x"))
		r.turn(TurnPoll)
		if w := r.sent[user]; w.flags != FlagDone {
			t.Errorf("the write is %+v", w)
		}
		want := syscall.Errno(0)
		if probe, err := selector.New(r.Selector().Name()); err != nil {
			t.Fatal(err)
		} else {
			want = syscall.Errno(errnoOf(probe.Register(null, selector.EventRead, 1)))
			_ = probe.Close()
		}
		expectErrno(t, "Resume", r.errno(Submission{Op: OpResume, Fd: s.fd, Generation: s.generation}), want)
		if want != 0 {
			r.quiet()
		} else {
			r.await(EOF, s)
		}
		user = r.write(s, []byte("y"))
		r.turn(TurnPoll)
		if w := r.sent[user]; w.flags != FlagDone {
			t.Errorf("the write after it is %+v", w)
		}
	})
}
