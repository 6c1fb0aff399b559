//go:build unix && faults

package loop

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goloop/internal/sys"
)

// weather injects faults at random, from a seed.
type weather struct {
	mu     sync.Mutex // the rig's watchdog makes calls as well
	random *rand.Rand
	often  int          // one call in so many meets a fault
	fatal  map[int]bool // descriptors of which a call may fail for good; nil: of none
	broken map[int]fatality
	met    int
}

// fatality is how a call ended a stream.
type fatality struct {
	call  string
	errno syscall.Errno
}

// passing is what each call may say that is no more than a delay.
var passing = map[string][]syscall.Errno{
	"recv":           {syscall.EINTR, syscall.EAGAIN},
	"io_uring recv":  {syscall.EINTR, syscall.EAGAIN, syscall.ENOMEM},
	"read":           {syscall.EINTR, syscall.EAGAIN},
	"send":           {syscall.EINTR, syscall.EAGAIN},
	"sendmsg":        {syscall.EINTR, syscall.EAGAIN},
	"io_uring send":  {syscall.EINTR, syscall.EAGAIN, syscall.ENOMEM},
	"write":          {syscall.EINTR, syscall.EAGAIN},
	"writev":         {syscall.EINTR, syscall.EAGAIN},
	"io_uring_enter": {syscall.EINTR, syscall.EAGAIN, syscall.EBUSY, syscall.ENOMEM},
	"epoll_wait":     {syscall.EINTR},
	"epoll_pwait2":   {syscall.EINTR, syscall.ENOSYS},
	"poll":           {syscall.EINTR, syscall.EAGAIN},
	"select":         {syscall.EINTR},
	"kevent":         {syscall.EINTR},
	"kevent change":  {syscall.EINTR},
}

// lasting is what ends a stream.
var lasting = []syscall.Errno{syscall.ECONNRESET, syscall.EPIPE, syscall.ENOBUFS, syscall.ETIMEDOUT, syscall.EIO, syscall.EPERM}

func (w *weather) inject(c sys.Call) (int, syscall.Errno) {
	w.mu.Lock()
	defer w.mu.Unlock()
	errnos := passing[c.Name]
	if errnos == nil && !w.fatal[c.Fd] || w.random.IntN(w.often) > 0 {
		return c.N, 0
	}
	if c.Name == "io_uring_enter" && c.N == 0 {
		return c.N, 0 // a wait for what the kernel has taken
	}
	w.met++
	switch w.random.IntN(3) {
	case 0:
		return w.random.IntN(c.N + 1), 0
	case 1:
		if w.fatal[c.Fd] && c.Name != "fcntl" && c.Name != "epoll_ctl del" {
			errno := lasting[w.random.IntN(len(lasting))]
			w.broken[c.Fd] = fatality{c.Name, errno}
			return 0, errno
		}
	}
	if len(errnos) == 0 {
		return c.N, 0
	}
	return 0, errnos[w.random.IntN(len(errnos))]
}

// pass takes turns, with everybody writing and reading in between.
func (c *crowd) pass(all []*traffic, random *rand.Rand, turns int) {
	c.t.Helper()
	for range turns {
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
}

func newTraffic(c *crowd) []*traffic {
	all := make([]*traffic, len(c.streams))
	for i := range all {
		all[i] = &traffic{p: c.streams[i], fd: c.peers[i], pattern: pattern(150_000 + i)}
	}
	return all
}

// TestTrafficInBadWeather: with any call delayed or cut short, every byte comes once, in its place and to its own
// stream, and the loop neither stalls nor spins.
func TestTrafficInBadWeather(t *testing.T) {
	onEachCrowd(t, settings{ring: 64, arena: 2 * minArena}, 9, func(t *testing.T, c *crowd) {
		for seed := range uint64(6) {
			random := rand.New(rand.NewPCG(seed, 2))
			w := &weather{random: rand.New(rand.NewPCG(seed, 3)), often: 2 + int(seed)*3}
			all := newTraffic(c)
			sys.Inject(w.inject)
			c.pass(all, random, 40)
			idle := 0
			for _, s := range all {
				for s.told < s.put || len(s.received) < s.written {
					before := s.told + len(s.received)
					c.turnAndRead(random)
					s.check(c)
					got, _ := drain(t, s.fd)
					s.received = append(s.received, got...)
					if idle++; s.told+len(s.received) > before {
						idle = 0
					}
					if idle > 5000 {
						t.Fatalf("seed %d, stream %v: %d of %d bytes came, and %d of %d left", seed, s.p, s.told, s.put, len(s.received), s.written)
					}
				}
				if string(s.received) != string(s.pattern[:s.written]) {
					t.Fatalf("seed %d, stream %v: its peer got %d bytes, which are not the %d that were written", seed, s.p, len(s.received), s.written)
				}
			}
			sys.Disarm()
			if w.met < 15 {
				t.Errorf("seed %d: %d faults", seed, w.met)
			}
			if watched := c.calm(); watched {
				t.Errorf("seed %d: a quiet loop goes on being woken", seed)
			}
		}
		c.settled()
	})
}

// calm takes the turns that settle what has passed, and tells whether further ones are ended by something.
func (c *crowd) calm() bool {
	for range 10 {
		c.turn(TurnPoll)
	}
	before := c.Stats().Events
	c.turn(TurnPoll)
	return c.Stats().Events != before
}

// TestTrafficInStorms: a stream whose calls fail, at any place, ends with one Error of that errno. Its peer has a prefix of
// what was written, its owner a prefix of what was sent, every Write is told of once, and the others do not notice.
func TestTrafficInStorms(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer sys.Disarm()
			onEachCrowd(t, settings{ring: 64, arena: 2 * minArena}, 9, func(t *testing.T, c *crowd) {
				defer sys.Disarm()
				open := c.descriptors()
				random := rand.New(rand.NewPCG(seed, 4))
				w := &weather{random: rand.New(rand.NewPCG(seed, 5)), often: 5 + int(seed)*5, fatal: map[int]bool{}, broken: map[int]fatality{}}
				all := newTraffic(c)
				for i, s := range all {
					w.fatal[int(s.p.fd)] = i%2 == 0
				}
				sys.Inject(w.inject)
				c.pass(all, random, 40)
				for turns := 0; ; turns++ {
					c.turnAndRead(random)
					done := true
					for _, s := range all {
						s.check(c)
						got, _ := drain(t, s.fd)
						s.received = append(s.received, got...)
						done = done && (c.count(Error, s.p) > 0 || s.told == s.put && len(s.received) == s.written)
					}
					if done && c.Backlog() == 0 {
						break
					}
					if turns > 20_000 {
						t.Fatal("it does not end")
					}
				}
				sys.Disarm()
				for i, s := range all {
					c.checkStorm(s, i%2 == 0, w.broken[int(s.p.fd)])
				}
				if c.calm() {
					t.Error("a quiet loop goes on being woken")
				}
				c.settled()
				if now := c.descriptors(); now != open {
					t.Errorf("%d descriptors are open, which were %d", now, open)
				}
			})
		})
	}
}

func (c *crowd) checkStorm(s *traffic, fatal bool, what fatality) {
	c.t.Helper()
	errors := c.count(Error, s.p)
	inRing := strings.HasPrefix(what.call, "io_uring") // and perhaps never taken from it
	if errors > 1 || errors == 1 && !fatal || errors == 0 && what.errno != 0 && !inRing {
		c.t.Errorf("stream %v was told of %d errors, and had %v", s.p, errors, what)
	}
	if string(s.received) != string(s.pattern[:min(len(s.received), s.written)]) {
		c.t.Errorf("stream %v: its peer got %d bytes, which do not begin the %d that were written", s.p, len(s.received), s.written)
	}
	for i := range c.inbox {
		done := &c.inbox[i]
		if (pair{done.Fd, done.Generation}) != s.p || done.Kind != Error {
			continue
		}
		if syscall.Errno(done.Res) != what.errno {
			c.t.Errorf("stream %v was told of %v, and had %v", s.p, syscall.Errno(done.Res), what)
		}
		for _, later := range c.inbox[i+1:] {
			if (pair{later.Fd, later.Generation}) == s.p && later.Kind != Wrote {
				c.t.Errorf("stream %v was told %+v after its error", s.p, later)
			}
		}
	}
}
