//go:build unix

package loop

import (
	"math"
	"testing"
	"unsafe"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// FuzzRing hands the engine submissions in any order, on descriptors that are
// its own: ends of socket pairs, sockets that are not connected, a listener.
// Whatever they ask for, the engine must not panic, must let go of every Write
// exactly once, which rig checks, and must send none of its bytes twice.
func FuzzRing(f *testing.F) {
	f.Add([]byte{})
	for _, seed := range [][]fuzzStep{
		{{op: OpAttach}, {op: OpWrite, arg: 250}, {op: fuzzTurn}, {op: OpWrite, arg: 9}, {op: fuzzDrain, fd: 1}, {op: fuzzTurn}, {op: OpClose}},
		{{op: OpAttach}, {op: OpWrite, arg: 250}, {op: OpAttach, generation: 1}, {op: OpWrite, generation: 1, arg: 3}, {op: fuzzTurn}},
		{{op: OpAttach}, {op: OpWrite, arg: 3}, {op: OpPause}, {op: OpWrite, arg: 3}, {op: fuzzTurn}},
		{{op: OpAttach, arg: 1}, {op: fuzzPut, fd: 1, arg: 255}, {op: OpResume}, {op: fuzzTurn}, {op: fuzzRead}, {op: OpShutdown}, {op: OpDiscard}},
		{{op: OpListen, fd: 6}, {op: OpConnect, fd: 4}, {op: fuzzTurn}, {op: fuzzTurn}, {op: OpDetach, fd: 4}},
		{{op: OpWatch, arg: 3}, {op: OpWatch, generation: 1, arg: 1}, {op: fuzzTurn}, {op: OpWatch, generation: 1}, {op: OpClose, generation: 1}},
		{{op: OpDatagram, fd: 7}, {op: OpSend, fd: 7, arg: 250}, {op: OpSend, fd: 7, arg: 250}, {op: OpSend, fd: 7, arg: 3}, {op: fuzzTurn}, {op: OpDatagram, fd: 8}, {op: fuzzTurn}, {op: fuzzTurn}, {op: OpDiscard, fd: 7}},
		{{op: OpTimerAdd, arg: 1}, {op: OpTimerAdd, arg: 7}, {op: OpTimerCancel, arg: 1}, {op: fuzzTurn}, {op: OpNop}, {op: OpDetach, fd: 7}},
	} {
		for backend := range byte(8) {
			b := []byte{backend}
			for _, step := range seed {
				b = append(b, byte(step.op), step.fd|step.generation<<4, step.arg)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		backends := selector.Backends()
		z := newFuzzed(t, backends[int(b[0]&3)%len(backends)], b[0]&4 != 0)
		for b = b[1:]; len(b) >= 3; b = b[3:] {
			z.step(fuzzStep{op: Op(b[0] % fuzzOps), fd: b[1] & 15, generation: b[1] >> 4, arg: b[2]})
		}
		z.end()
	})
}

// fuzzStep is one decoded step: a submission, or what goes on around the engine.
type fuzzStep struct {
	op                  Op
	fd, generation, arg byte
}

// Steps that are no submissions.
const (
	fuzzTurn   = OpConnect + 1 + iota // a turn that does not wait
	fuzzSubmit                        // Submit
	fuzzPut                           // a write to a descriptor, around the engine
	fuzzDrain                         // a read from one
	fuzzRead                          // Engine.Read
	fuzzOps    = byte(fuzzRead) + 1
)

type fuzzed struct {
	*rig
	fds     []int  // the engine's and the peers'
	address []byte // the listener's, a struct sockaddr_in
	name    *Name  // the same
	buffer  []byte
	spare   int // kept open to take the numbers of closed descriptors
}

func newFuzzed(t *testing.T, backend string, batched bool) *fuzzed {
	z := &fuzzed{rig: newRig(t, backend, settings{ring: 8, arena: 2 * minArena, batched: batched}), buffer: make([]byte, 1<<16)}
	for range 2 {
		a, b := socketPair(t)
		for _, fd := range []int{a, b} {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1); err != nil {
				t.Fatal(err)
			}
		}
		z.fds = append(z.fds, a, b)
	}
	listener, address := listen(t, 2)
	z.fds = append(z.fds, tcpSocket(t), tcpSocket(t), listener)
	z.address = rawInet4(address)
	z.name = nameOf(unix.AF_INET, "127.0.0.1", int64(address.Port), 0, 0)
	a, b := datagramPair(t)
	z.fds = append(z.fds, a, b)
	z.spare = tcpSocket(t)
	return z
}

func (z *fuzzed) step(s fuzzStep) {
	fd := -1
	switch {
	case int(s.fd) < len(z.fds):
		fd = z.fds[s.fd]
	case s.fd == 15:
		fd = 1 << 30
	}
	generation := uint32(s.generation%4) + 1
	sq := Submission{Op: s.op, Fd: int32(fd), Generation: generation, Flags: uint16(s.arg)}
	switch s.op {
	case OpWrite:
		z.write(pair{int32(fd), generation}, z.buffer[:min(int(s.arg)*int(s.arg), len(z.buffer))])
		return
	case OpSend:
		var to []byte
		if s.arg&1 != 0 {
			to = z.address
		}
		z.send(pair{int32(fd), generation}, z.buffer[:min(int(s.arg)*int(s.arg), len(z.buffer))], to)
		return
	case OpTimerAdd, OpTimerCancel:
		sq.User = uint64(s.fd) | uint64(sq.Generation)<<32
		sq.Len = []int64{0, math.MinInt64, math.MaxInt64, z.Now(), z.Now() + 1e9, -1}[s.arg%6]
	case OpListen:
		sq.Len = int64(int8(s.arg))
	case fuzzTurn:
		z.turn()
		return
	case fuzzSubmit:
		z.reclaim(z.now())
		return
	case fuzzPut:
		if fd >= 0 {
			_, _ = unix.Write(fd, z.buffer[:s.arg])
		}
		return
	case fuzzDrain:
		if fd >= 0 {
			_, _ = unix.Read(fd, make([]byte, 1<<16))
		}
		return
	case OpConnect:
		sq.Ptr = uint64(uintptr(unsafe.Pointer(z.name)))
	case fuzzRead:
		if _, err := z.Read(int32(fd), generation, uintptr(address(z.buffer)), int(s.arg)); err != nil {
			z.t.Fatal("Read:", err)
		}
		return
	}
	z.submit(sq)
}

// turn takes a turn, and closes what it accepted.
func (z *fuzzed) turn() {
	z.t.Helper()
	sq := z.sq
	for _, c := range z.rig.turn(TurnPoll) {
		if c.Kind == Accepted {
			closeFd(z.t, int(c.Res))
		}
	}
	z.reclaim(sq)
	z.inbox = nil
	clear(z.data)
}

// reclaim takes back the numbers that Close has freed, so that nothing else of
// the process gets them and is closed by a later step.
func (z *fuzzed) reclaim(sq []Submission) {
	for i := range sq {
		if sq[i].Op != OpClose {
			continue
		}
		fd := int(sq[i].Fd)
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil || fd < 0 || fd >= 1<<30 {
			continue
		}
		got, err := unix.FcntlInt(uintptr(z.spare), unix.F_DUPFD_CLOEXEC, fd)
		if err != nil || got != fd {
			z.t.Fatalf("the number %d is gone: %d, %v", fd, got, err)
		}
	}
}

// end detaches everything, after which nothing may be held.
func (z *fuzzed) end() {
	z.t.Helper()
	z.turn()
	for _, fd := range z.fds {
		for generation := range uint32(5) {
			z.op(OpDetach, pair{int32(fd), generation})
		}
	}
	z.turn()
	for z.Backlog() > 0 {
		z.turn()
	}
	z.settled()
	if sent := z.Stats().WriteBytes; len(z.messages) == 0 && sent != uint64(z.taken) {
		z.t.Fatalf("the kernel took %d bytes, and the Writes say %d", sent, z.taken)
	}
	if n := z.Selector().Len(); n != 0 {
		z.t.Fatalf("%d descriptors are still watched", n)
	}
}
