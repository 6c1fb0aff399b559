//go:build unix

package loop

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"goloop/selector"
)

// patience bounds a wait for what must happen. It is only spent by a failure.
const patience = 20 * time.Second

// rig is an engine under test with the other side of its rings: it does with
// Flags, Len and Released what pybind/ext does, and checks that every Write is
// let go of exactly once.
type rig struct {
	t testing.TB
	*Engine
	sq       []Submission
	inbox    []Completion      // of the turns since the last take
	data     map[pair][]byte   // bytes of Data, by stream
	packets  map[pair][]packet // of Datagram
	chunks   map[uint64][]byte // what the engine may still read, by User
	messages map[uint64]*Message
	buffered map[pair]int64     // bytes written and not yet taken by the kernel
	taken    int64              // bytes of Writes that the kernel took, as the engine told
	sent     map[uint64]*result // by User
	user     uint64
	expired  atomic.Bool
	kept     any // memory that the engine knows by a number, which on a stack would move
}

// packet is one datagram that came.
type packet struct {
	data string
	from string // the sender's sockaddr
}

// result is what became of a Write or a Send.
type result struct {
	flags    uint16
	errno    syscall.Errno // of FlagFailed
	taken    int64         // at once
	released bool
}

// pair names a descriptor to the engine.
type pair struct {
	fd         int32
	generation uint32
}

// settings of a rig; zero fields are the usual ones.
type settings struct {
	ring, arena int
	resolver    Resolver
	startThread func(func()) error
	batched     bool // serve even one socket with a batch
	unbatched   bool // serve each socket alone
}

// onEveryBackend runs test once for each selector of this system, and once with all that can
// be batched being so.
func onEveryBackend(t *testing.T, test func(t *testing.T, r *rig)) {
	onEveryBackendWith(t, settings{}, test)
}

func onEveryBackendWith(t *testing.T, s settings, test func(t *testing.T, r *rig)) {
	for _, name := range selector.Backends() {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, name, s)) })
	}
	s.batched = true
	t.Run("batched", func(t *testing.T) { test(t, newRig(t, "", s)) })
}

func newRig(t testing.TB, backend string, s settings) *rig {
	t.Helper()
	if s.ring == 0 {
		s.ring = 256
	}
	if s.arena == 0 {
		s.arena = 1 << 20
	}
	e, err := New(Options{Selector: backend, Completions: make([]Completion, s.ring), Arena: make([]byte, s.arena), Resolver: s.resolver, StartThread: s.startThread, Unbatched: s.unbatched})
	if err != nil {
		t.Fatal(err)
	}
	if s.batched {
		e.fewest = 1
	}
	r := &rig{
		t: t, Engine: e,
		packets: map[pair][]packet{}, messages: map[uint64]*Message{},
		data: map[pair][]byte{}, chunks: map[uint64][]byte{}, buffered: map[pair]int64{}, sent: map[uint64]*result{},
	}
	var watchdog *time.Timer
	watchdog = time.AfterFunc(patience, func() {
		r.expired.Store(true)
		_ = e.Wake()
		watchdog.Reset(time.Second / 10) // there may be another wait
	})
	t.Cleanup(func() {
		watchdog.Stop()
		if err := e.Close(); err != nil {
			t.Error("Close:", err)
		}
	})
	return r
}

// submit appends to the submissions of the next turn.
func (r *rig) submit(s Submission) { r.sq = append(r.sq, s) }

// attach starts a stream on fd.
func (r *rig) attach(fd int, generation uint32) pair {
	r.submit(Submission{Op: OpAttach, Fd: int32(fd), Generation: generation})
	return pair{int32(fd), generation}
}

// op submits an operation that takes no more than a descriptor.
func (r *rig) op(op Op, p pair) {
	r.submit(Submission{Op: op, Fd: p.fd, Generation: p.generation})
}

// write submits a Write and returns its User.
func (r *rig) write(p pair, b []byte) uint64 {
	r.user++
	r.chunks[r.user] = b
	r.buffered[p] += int64(len(b))
	r.submit(Submission{Op: OpWrite, Fd: p.fd, Generation: p.generation, Ptr: address(b), Len: int64(len(b)), User: r.user})
	return r.user
}

// send submits a Send and returns its User; without an address it goes to whom p
// is connected. It counts for 8 bytes more than it has.
func (r *rig) send(p pair, b, to []byte) uint64 {
	r.user++
	m := &Message{Ptr: address(b), Len: int64(len(b)), Addr: address(to), AddrLen: int64(len(to))}
	r.chunks[r.user], r.messages[r.user] = b, m
	weight := int64(len(b)) + 8
	r.buffered[p] += weight
	r.submit(Submission{Op: OpSend, Fd: p.fd, Generation: p.generation, Ptr: uint64(uintptr(unsafe.Pointer(m))), Len: weight, User: r.user})
	return r.user
}

// awaitPackets takes turns until n datagrams have come for p, and takes them.
func (r *rig) awaitPackets(p pair, n int) []packet {
	r.t.Helper()
	r.until(func() bool { return len(r.packets[p]) >= n })
	got := r.packets[p]
	delete(r.packets, p)
	return got
}

// now hands the submissions over without a turn and returns them.
func (r *rig) now() []Submission {
	r.t.Helper()
	sq := r.sq
	r.sq = nil
	if err := r.Submit(sq); err != nil {
		r.t.Fatal("Submit:", err)
	}
	r.settle(sq)
	return sq
}

// errno is the answer to one submission.
func (r *rig) errno(s Submission) syscall.Errno {
	r.t.Helper()
	r.submit(s)
	sq := r.now()
	return syscall.Errno(sq[len(sq)-1].Res)
}

// turn takes one turn and returns its completions, which also go to the inbox.
func (r *rig) turn(flags TurnFlags) []Completion {
	r.t.Helper()
	sq := r.sq
	r.sq = nil
	n, err := r.Turn(sq, flags)
	if err != nil {
		r.t.Fatal("Turn:", err)
	}
	return r.take(sq, n)
}

// take settles a turn that had these submissions and brought n completions.
func (r *rig) take(sq []Submission, n int) []Completion {
	r.t.Helper()
	r.settle(sq)
	got := slices.Clone(r.Engine.cq[:n])
	for i := range got {
		c := &got[i]
		p := pair{c.Fd, c.Generation}
		switch c.Kind {
		case Data:
			at := c.Ptr - address(r.Engine.arena)
			r.data[p] = append(r.data[p], r.Engine.arena[at:at+uint64(c.Len)]...)
		case Datagram:
			text := func(at uint64, n int64) string {
				at -= address(r.Engine.arena)
				return string(r.Engine.arena[at : at+uint64(n)])
			}
			r.packets[p] = append(r.packets[p], packet{text(c.Ptr, c.Len), text(c.User, int64(c.Res))})
		case Wrote:
			r.buffered[p] -= c.Len
			r.taken += c.Len
		case Released:
			s := r.sent[c.User]
			if s == nil || s.flags != FlagQueued || s.released {
				r.t.Fatalf("Released of %d, which was %+v", c.User, s)
			}
			s.released = true
			delete(r.chunks, c.User)
		}
	}
	r.inbox = append(r.inbox, got...)
	return got
}

func (r *rig) settle(sq []Submission) {
	r.t.Helper()
	for i := range sq {
		s := &sq[i]
		if s.Op != OpWrite && s.Op != OpSend {
			continue
		}
		p := pair{s.Fd, s.Generation}
		w := &result{flags: s.Flags, errno: syscall.Errno(s.Res), taken: s.Len}
		if r.sent[s.User] != nil {
			r.t.Fatalf("Write %d settled twice", s.User)
		}
		r.sent[s.User] = w
		r.buffered[p] -= s.Len
		if s.Flags&(FlagQueued|FlagDone) != 0 {
			r.taken += s.Len
		}
		switch s.Flags {
		case FlagQueued:
		case FlagDone, FlagFailed, 0:
			delete(r.chunks, s.User)
		default:
			r.t.Fatalf("Write %d has flags %#x", s.User, s.Flags)
		}
	}
}

// until takes turns that wait, until done.
func (r *rig) until(done func() bool) {
	r.t.Helper()
	for !done() {
		if r.expired.Load() {
			r.t.Fatalf("did not come to pass; last completions: %+v", r.inbox[max(0, len(r.inbox)-8):])
		}
		r.turn(TurnWait)
	}
}

// await takes turns until the inbox has a completion of this kind for p, and
// returns the first. What came goes on being in the inbox.
func (r *rig) await(kind Kind, p pair) Completion {
	r.t.Helper()
	var found Completion
	r.until(func() bool {
		i := slices.IndexFunc(r.inbox, func(c Completion) bool {
			return c.Kind == kind && c.Fd == p.fd && c.Generation == p.generation
		})
		if i >= 0 {
			found = r.inbox[i]
		}
		return i >= 0
	})
	return found
}

// awaitData takes turns until n bytes have come for p, and takes them.
func (r *rig) awaitData(p pair, n int) []byte {
	r.t.Helper()
	r.until(func() bool { return len(r.data[p]) >= n })
	got := r.data[p]
	delete(r.data, p)
	return got
}

// quiet fails if a turn has anything to tell.
func (r *rig) quiet() {
	r.t.Helper()
	if got := r.turn(TurnPoll); len(got) != 0 {
		r.t.Fatalf("unexpected completions: %+v", got)
	}
}

// count is how often kind came for p since the inbox was emptied.
func (r *rig) count(kind Kind, p pair) int {
	n := 0
	for _, c := range r.inbox {
		if c.Kind == kind && c.Fd == p.fd && c.Generation == p.generation {
			n++
		}
	}
	return n
}

// settled fails unless every Write has been let go of.
func (r *rig) settled() {
	r.t.Helper()
	for r.Backlog() > 0 {
		r.turn(0)
	}
	for user, s := range r.sent {
		if s.flags == FlagQueued && !s.released {
			r.t.Fatalf("Write %d was never released: %+v", user, s)
		}
	}
	if len(r.chunks) != 0 {
		r.t.Fatalf("%d chunks are still held", len(r.chunks))
	}
}

func expectErrno(t testing.TB, what string, got, want syscall.Errno) {
	t.Helper()
	if got != want {
		t.Errorf("%s: errno %v, want %v", what, got, want)
	}
}

func (p pair) String() string { return fmt.Sprintf("(%d, %d)", p.fd, p.generation) }
