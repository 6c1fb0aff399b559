//go:build unix

package loop

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

// traffic is a stream of a crowd with what has gone either way.
type traffic struct {
	p        pair
	fd       int
	pattern  []byte // of both directions
	written  int    // to the engine
	received []byte // by the peer
	put      int    // by the peer
	told     int    // of what the peer has put
}

// write hands the engine the next bytes of the pattern, in up to three Writes with operations among them.
func (s *traffic) write(c *crowd, random *rand.Rand) {
	for range 1 + random.IntN(3) {
		n := min([]int{0, 1, 100, 5000, 40_000}[random.IntN(5)], len(s.pattern)-s.written)
		if n > 0 {
			n = 1 + random.IntN(n)
		}
		c.write(s.p, s.pattern[s.written:s.written+n])
		s.written += n
		switch random.IntN(8) {
		case 0:
			c.op(OpPause, s.p)
		case 1:
			c.op(OpResume, s.p)
		}
	}
}

// check compares what the engine has told of the stream with what its peer has put.
func (s *traffic) check(c *crowd) {
	c.t.Helper()
	got := c.data[s.p]
	delete(c.data, s.p)
	if string(got) != string(s.pattern[s.told:s.told+len(got)]) {
		c.t.Fatalf("stream %v: %d bytes after %d are not those that its peer sent", s.p, len(got), s.told)
	}
	s.told += len(got)
}

// turnAndRead takes a turn that polls, and makes the reads that it asks for.
func (c *crowd) turnAndRead(random *rand.Rand) {
	c.t.Helper()
	for _, done := range c.turn(TurnPoll) {
		if done.Kind != Readable {
			continue
		}
		b := make([]byte, 1+random.IntN(100_000))
		n, err := c.Read(done.Fd, done.Generation, uintptr(address(b)), len(b))
		if err != nil {
			c.t.Fatal("Read:", err)
		}
		p := pair{done.Fd, done.Generation}
		c.data[p] = append(c.data[p], b[:n]...)
	}
}

// peer reads some of what has come and sends some, as far as there is room.
func (s *traffic) peer(c *crowd, random *rand.Rand) {
	c.t.Helper()
	b := make([]byte, random.IntN(60_000))
	if n, err := unix.Read(s.fd, b); err == nil {
		s.received = append(s.received, b[:n]...)
	}
	n := min(random.IntN([]int{2, 3000, 100_000}[random.IntN(3)]), len(s.pattern)-s.put)
	if n, err := unix.Write(s.fd, s.pattern[s.put:s.put+n]); err == nil {
		s.put += n
	}
}

// TestCrowdTraffic: whatever is written, paused, resumed and sent, and in whatever order, every byte comes once, in
// its place and to its own stream.
func TestCrowdTraffic(t *testing.T) {
	onEachCrowd(t, settings{ring: 64, arena: 2 * minArena}, 12, func(t *testing.T, c *crowd) {
		for seed := range uint64(8) {
			random := rand.New(rand.NewPCG(seed, 1))
			all := make([]*traffic, len(c.streams))
			for i := range all {
				all[i] = &traffic{p: c.streams[i], fd: c.peers[i], pattern: pattern(200_000 + i)}
			}
			for range 60 {
				for _, s := range all {
					if random.IntN(3) > 0 {
						s.write(c, random)
					}
					if random.IntN(3) > 0 {
						s.peer(c, random)
					}
				}
				c.turnAndRead(random)
				for _, s := range all {
					s.check(c)
				}
			}
			for _, s := range all {
				c.op(OpResume, s.p)
			}
			for _, s := range all {
				for s.told < s.put || len(s.received) < s.written {
					if c.expired.Load() {
						t.Fatalf("seed %d, stream %v: %d of %d bytes came, and %d of %d left", seed, s.p, s.told, s.put, len(s.received), s.written)
					}
					c.turnAndRead(random)
					s.check(c)
					got, _ := drain(t, s.fd)
					s.received = append(s.received, got...)
				}
				if string(s.received) != string(s.pattern[:s.written]) {
					t.Fatalf("seed %d, stream %v: its peer got %d bytes, which are not the %d that were written", seed, s.p, len(s.received), s.written)
				}
			}
		}
		c.settled()
	})
}
