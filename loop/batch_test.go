//go:build unix

package loop

import (
	"bytes"
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// crowd is many streams of a rig and their peers.
type crowd struct {
	*rig
	streams []pair
	peers   []int
}

// newCrowd attaches n streams, each of which has read once: a batch reads for no other.
func newCrowd(r *rig, n int) *crowd {
	r.t.Helper()
	c := &crowd{rig: r}
	for i := range n {
		a, b := socketPair(r.t)
		c.streams = append(c.streams, r.attach(a, uint32(i+1)))
		c.peers = append(c.peers, b)
		put(r.t, b, []byte("first"))
	}
	for _, p := range c.streams {
		r.awaitData(p, len("first"))
	}
	r.inbox = nil
	return c
}

// onEachCrowd runs test with batches where the system has them, and with a call for each socket.
func onEachCrowd(t *testing.T, s settings, n int, test func(t *testing.T, c *crowd)) {
	for _, name := range selector.Backends() {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(newRig(t, name, s), n)
			test(t, c)
			if c.batch == nil && runtime.GOOS == "linux" && !c.unbatched {
				t.Error("no batch was tried")
			}
			if got := c.Stats().Batches; (got > 0) != (c.batch != nil) {
				t.Errorf("%d batches, batch descriptor %d", got, c.BatchFd())
			}
		})
		s := s
		s.unbatched = true
		t.Run(name+" unbatched", func(t *testing.T) {
			c := newCrowd(newRig(t, name, s), n)
			test(t, c)
			if got := c.Stats().Batches; got != 0 || c.BatchFd() != -1 {
				t.Errorf("%d batches, batch descriptor %d", got, c.BatchFd())
			}
		})
	}
}

func TestCrowdEchoes(t *testing.T) {
	onEachCrowd(t, settings{}, 150, func(t *testing.T, c *crowd) {
		for round := range 5 {
			want := make([][]byte, len(c.peers))
			for i, fd := range c.peers {
				want[i] = bytes.Repeat([]byte{byte(i), byte(round)}, 1+i*round)
				put(t, fd, want[i])
			}
			for i, p := range c.streams {
				if got := c.awaitData(p, len(want[i])); !bytes.Equal(got, want[i]) {
					t.Fatalf("round %d: stream %d got %d bytes, which are not its own %d", round, i, len(got), len(want[i]))
				}
				c.write(p, want[i])
			}
			c.turn(0)
			for i, fd := range c.peers {
				if got, _ := drain(t, fd); !bytes.Equal(got, want[i]) {
					t.Fatalf("round %d: peer %d got %d bytes, which are not its own %d", round, i, len(got), len(want[i]))
				}
			}
		}
		c.settled()
	})
}

// TestCrowdKeepsTheSelectorsOrder: what is no stream, or cannot be read ahead for, keeps its place among the others.
func TestCrowdKeepsTheSelectorsOrder(t *testing.T) {
	onEachCrowd(t, settings{}, 12, func(t *testing.T, c *crowd) {
		a, b := socketPair(t)
		c.submit(Submission{Op: OpWatch, Fd: int32(a), Generation: 1, Flags: FlagRead})
		c.turn(0)
		for i, fd := range c.peers {
			if i == 6 {
				put(t, b, []byte("x"))
			}
			put(t, fd, []byte("more"))
		}
		var got []int32
		for _, done := range c.turn(TurnPoll) {
			got = append(got, done.Fd)
		}
		if len(got) != 13 {
			t.Fatalf("completions of %v", got)
		}
		for i, fd := range got {
			if c.events[i].Fd != fd {
				t.Fatalf("completions of %v, selected %v", got, c.events[:13])
			}
		}
	})
}

func TestCrowdReadsWhatAnyLengthBrings(t *testing.T) {
	for _, s := range []settings{{}, {ring: minRoom * 5, arena: 2 * minArena}} {
		onEachCrowd(t, s, 20, func(t *testing.T, c *crowd) {
			want := pattern(150_000)
			for sent := 0; sent < len(want); {
				n := min(len(want)-sent, 1+sent*2) // 1, 3, 9 …: each fills the read that the one before led to expect
				for _, fd := range c.peers {
					put(t, fd, want[sent:sent+n])
				}
				sent += n
				for _, p := range c.streams {
					c.until(func() bool { return len(c.data[p]) >= sent })
				}
			}
			for i, p := range c.streams {
				if !bytes.Equal(c.data[p], want) {
					t.Errorf("stream %d got other bytes", i)
				}
			}
		})
	}
}

func TestCrowdPausedEndedAndReset(t *testing.T) {
	onEachCrowd(t, settings{}, 10, func(t *testing.T, c *crowd) {
		for _, fd := range c.peers {
			put(t, fd, []byte("data"))
		}
		c.op(OpPause, c.streams[1])
		c.op(OpDiscard, c.streams[2])
		closeFd(t, c.peers[3])
		for i, p := range c.streams {
			if i != 1 && i != 2 {
				c.awaitData(p, 4)
			}
		}
		c.await(EOF, c.streams[3])
		for _, p := range c.streams[1:3] {
			if c.data[p] != nil || c.count(EOF, p) != 0 {
				t.Errorf("stream %v, which is not to be read, got %q", p, c.data[p])
			}
		}
		c.op(OpResume, c.streams[1])
		c.awaitData(c.streams[1], 4)
	})
}

// TestCrowdEndsAtOnce: ends of files need no room in the arena, whatever was read before.
func TestCrowdEndsAtOnce(t *testing.T) {
	onEachCrowd(t, settings{ring: 2000, arena: 2 * minArena}, 300, func(t *testing.T, c *crowd) {
		for i, fd := range c.peers {
			put(t, fd, pattern(2000))
			c.awaitData(c.streams[i], 2000)
		}
		for _, fd := range c.peers {
			closeFd(t, fd)
		}
		ends := 0
		for _, done := range c.turn(TurnPoll) {
			if done.Kind == EOF {
				ends++
			}
		}
		if ends != len(c.streams) {
			t.Errorf("%d of %d streams ended in the turn", ends, len(c.streams))
		}
	})
}

func TestCrowdWritesFailAlone(t *testing.T) {
	onEachCrowd(t, settings{}, 8, func(t *testing.T, c *crowd) {
		closeFd(t, c.peers[5])
		for _, p := range c.streams {
			c.write(p, []byte("one"))
			c.write(p, []byte("two"))
		}
		c.turn(0)
		for i, fd := range c.peers {
			if i == 5 {
				continue
			}
			if got, _ := drain(t, fd); string(got) != "onetwo" {
				t.Errorf("peer %d got %q", i, got)
			}
		}
		if done := c.await(Error, c.streams[5]); syscall.Errno(done.Res) != syscall.EPIPE || done.Flags != FlagWrite {
			t.Errorf("%+v, want EPIPE while writing", done)
		}
		if w := c.sent[2*5+1]; w.flags != FlagFailed || w.errno != syscall.EPIPE {
			t.Errorf("the Write is %+v", w)
		}
		c.settled()
	})
}

// TestCrowdWritesAroundControls: what is written before and after an operation on its stream leaves once, in order.
func TestCrowdWritesAroundControls(t *testing.T) {
	onEachCrowd(t, settings{}, 5, func(t *testing.T, c *crowd) {
		for _, p := range c.streams {
			c.write(p, []byte("one "))
			c.op(OpPause, p)
			c.write(p, []byte("two "))
			c.op(OpResume, p)
			c.write(p, []byte("three"))
		}
		c.turn(0)
		for i, fd := range c.peers {
			if got, _ := drain(t, fd); string(got) != "one two three" {
				t.Errorf("peer %d got %q", i, got)
			}
		}
		c.settled()
	})
}

// TestCrowdWritesMoreThanFits: writes of all lengths and numbers, among them those that no batch takes.
func TestCrowdWritesMoreThanFits(t *testing.T) {
	onEachCrowd(t, settings{}, 80, func(t *testing.T, c *crowd) {
		want := make([][]byte, len(c.streams))
		for i, p := range c.streams {
			pieces := 1 + i%7
			if i%40 == 11 {
				pieces = 300 // more than a batch gathers
			}
			for k := range pieces {
				piece := bytes.Repeat([]byte{byte(i), byte(k)}, 1+i*i)
				want[i] = append(want[i], piece...)
				c.write(p, piece)
			}
		}
		c.turn(0)
		for i, fd := range c.peers {
			var got []byte
			for {
				more, _ := drain(t, fd)
				if got = append(got, more...); len(got) == len(want[i]) {
					break
				}
				c.turn(TurnWait)
			}
			if !bytes.Equal(got, want[i]) {
				t.Errorf("peer %d got other bytes", i)
			}
		}
		c.settled()
	})
}

// TestCrowdOutlivesItsBatch: a program may close every descriptor that it does not know.
func TestCrowdOutlivesItsBatch(t *testing.T) {
	c := newCrowd(newRig(t, "", settings{}), 10)
	talk := func() {
		for i, p := range c.streams {
			put(t, c.peers[i], []byte("in"))
			c.write(p, []byte("out"))
		}
		for i, p := range c.streams {
			if got := c.awaitData(p, 2); string(got) != "in" {
				t.Errorf("stream %d got %q", i, got)
			}
			if got, _ := drain(t, c.peers[i]); string(got) != "out" {
				t.Errorf("peer %d got %q", i, got)
			}
		}
	}
	talk()
	fd := c.BatchFd()
	if fd < 0 {
		t.Skip("no batch on this system")
	}
	if err := unix.Dup2(c.peers[0], fd); err != nil { // the number is another file's now
		t.Fatal(err)
	}
	talk()
	if c.BatchFd() != -1 {
		t.Error("the batch is still in use")
	}
	talk()
}

// TestCrowdOfWhichABatchReadSome: of the events that a turn leaves to the next, those that have been read for are delivered.
func TestCrowdOfWhichABatchReadSome(t *testing.T) {
	c := newCrowd(newRig(t, "", settings{}), 3)
	read := c.fds[c.streams[1].fd]
	text := []byte("read ahead")
	copy(c.arena, text)
	read.fetched, read.at, read.got = true, address(c.arena), int32(len(text))
	var events []selector.Event
	for _, p := range c.streams {
		events = append(events, selector.Event{Fd: p.fd, Generation: p.generation, Ready: selector.EventRead})
	}
	others := c.left(events)
	if len(others) != 2 || others[0].Fd != c.streams[0].fd || others[1].Fd != c.streams[2].fd {
		t.Errorf("left for the next turn: %v", others)
	}
	if n := c.Backlog(); n != 1 || read.fetched { // outside a turn a completion waits for the next
		t.Errorf("%d completions", n)
	}
}

// BenchmarkCrowd is one message of 1 KiB over TCP loopback, read and sent on, of a turn that has as many.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range []int{1, 2, 3, 4, 10, 64} {
		for _, unbatched := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d unbatched=%v", n, unbatched), func(b *testing.B) {
				ring := make([]Completion, 4*n+minRoom)
				e, err := New(Options{Completions: ring, Arena: make([]byte, 1<<19), Unbatched: unbatched})
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close()
				e.fewest = 1
				message := pattern(1024)
				var sq []Submission
				for i := range n {
					x, y := tcpPair(b)
					for k, fd := range []int{x, y} {
						_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
						sq = append(sq, Submission{Op: OpAttach, Fd: int32(fd), Generation: uint32(2*i + k + 1)})
					}
					sq = append(sq, Submission{Op: OpWrite, Fd: int32(x), Generation: uint32(2*i + 1),
						Ptr: address(message), Len: int64(len(message)), User: 1})
				}
				for done := 0; done < b.N; {
					events, err := e.Turn(sq, TurnWait)
					if err != nil {
						b.Fatal(err)
					}
					sq = sq[:0]
					for _, c := range ring[:events] {
						if c.Kind != Data || c.Len != int64(len(message)) {
							b.Fatalf("%+v", c)
						}
						sq = append(sq, Submission{Op: OpWrite, Fd: c.Fd, Generation: c.Generation,
							Ptr: address(message), Len: c.Len, User: 1})
					}
					done += events
				}
				runtime.KeepAlive(message)
			})
		}
	}
}
