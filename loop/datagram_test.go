//go:build unix

package loop

import (
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// datagramPair returns two Unix datagram sockets that are connected to each other.
func datagramPair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		own(t, fd)
	}
	return fds[0], fds[1]
}

// udpSocket returns a UDP socket that is bound to loopback, and its address.
func udpSocket(t testing.TB) (int, *unix.SockaddrInet4) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	own(t, fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, name.(*unix.SockaddrInet4)
}

// datagram starts a datagram socket on fd.
func (r *rig) datagram(fd int, generation uint32) pair {
	r.submit(Submission{Op: OpDatagram, Fd: int32(fd), Generation: generation})
	return pair{int32(fd), generation}
}

func TestDatagramsKeepTheirBoundsAndSenders(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, address := udpSocket(t)
		peer, name := udpSocket(t)
		a, b := r.datagram(fd, 3), r.datagram(peer, 4)
		sizes := []int{1, 0, 1000, 9000, 1, 0}
		for _, n := range sizes {
			r.send(b, pattern(n), rawInet4(address))
		}
		for i, got := range r.awaitPackets(a, len(sizes)) {
			if want := (packet{string(pattern(sizes[i])), string(rawInet4(name))}); got != want {
				t.Errorf("datagram %d: %d bytes from %x, want %d from %x", i, len(got.data), got.from, sizes[i], want.from)
			}
		}
		r.settled()
		r.quiet()
	})
}

func TestDatagramsOfTheLargestSize(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, _ := udpSocket(t)
		peer, name := udpSocket(t)
		a, b := r.datagram(fd, 1), r.datagram(peer, 1)
		want := pattern(65507) // of UDP over IPv4
		for range 3 {
			user := r.send(a, want, rawInet4(name))
			got := r.awaitPackets(b, 1)
			if r.sent[user].flags != FlagDone || got[0].data != string(want) {
				t.Fatalf("Send %+v, received %d bytes", r.sent[user], len(got[0].data))
			}
		}
	})
}

func TestUnixDatagramsAreNotCutAt64KiB(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, peer := datagramPair(t)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<18); err != nil {
			t.Skip("SO_SNDBUF:", err)
		}
		a, b := r.datagram(fd, 1), r.datagram(peer, 1)
		want := pattern(150000)
		user := r.send(a, want, nil)
		r.turn(0)
		if errno := r.sent[user].errno; errno != 0 {
			t.Skip("this system sends no such datagram:", errno)
		}
		if got := r.awaitPackets(b, 1); got[0].data != string(want) {
			t.Errorf("received %d bytes, want %d", len(got[0].data), len(want))
		}
	})
}

// TestDatagramFromNobody: a Unix socket without a name has no address.
func TestDatagramFromNobody(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		path := filepath.Join(t.TempDir(), "s")
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		own(t, fd)
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Fatal(err)
		}
		other, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		own(t, other)
		a := r.datagram(fd, 1)
		if err := unix.Sendto(other, []byte("who"), 0, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Fatal(err)
		}
		if got := r.awaitPackets(a, 1)[0]; got.data != "who" || len(got.from) > 2 && got.from[2] != 0 {
			t.Errorf("received %+v", got)
		}
	})
}

func TestSendsOfATurnLeaveInFewSystemCalls(t *testing.T) {
	r := newRig(t, "", settings{})
	fd, _ := udpSocket(t)
	_, name := udpSocket(t)
	a := r.datagram(fd, 1)
	const count = 3 * maxMessages
	for range count {
		r.send(a, []byte("x"), rawInet4(name))
	}
	r.turn(0)
	if s := r.Stats(); s.Writes != 3 || s.WriteBytes != count {
		t.Errorf("Stats %+v, want %d bytes in 3 batches", s, count)
	}
	r.settled()
}

func TestDatagramsQueueBehindAFullPeer(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, peer := datagramPair(t)
		a := r.datagram(fd, 1)
		sent := 0
		for len(r.messages) < 5000 && r.buffered[a] == 0 {
			for range 50 {
				r.send(a, fmt.Append(nil, sent), nil)
				sent++
			}
			r.now()
		}
		if r.buffered[a] == 0 {
			t.Skip("the peer is never full")
		}
		queued := r.buffered[a]
		var got []string
		b := make([]byte, 100)
		r.until(func() bool {
			for {
				n, err := unix.Read(peer, b)
				if err != nil {
					break
				}
				got = append(got, string(b[:n]))
			}
			return len(got) == sent
		})
		for i, text := range got {
			if text != fmt.Sprint(i) {
				t.Fatalf("datagram %d is %q", i, text)
			}
		}
		var wrote int64
		for _, c := range r.inbox {
			if c.Kind == Wrote {
				wrote += c.Len
			}
		}
		if wrote != queued || r.buffered[a] != 0 {
			t.Errorf("Wrote %d of %d that were queued, %d are left", wrote, queued, r.buffered[a])
		}
		r.settled()
		r.quiet() // no longer waiting to be writable
	})
}

func TestDatagramErrorsConcernOneDatagram(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, _ := udpSocket(t)
		peer, name := udpSocket(t)
		a, b := r.datagram(fd, 1), r.datagram(peer, 1)
		r.send(a, []byte("before"), rawInet4(name))
		bad := r.send(a, make([]byte, 1<<17), rawInet4(name))
		r.send(a, []byte("behind"), rawInet4(name))
		r.turn(0)
		if w := r.sent[bad]; w.flags != FlagFailed || w.errno != syscall.EMSGSIZE || w.taken != 1<<17+8 {
			t.Errorf("a Send of 128 KiB is %+v, want FlagFailed, EMSGSIZE and its weight", w)
		}
		if c := r.await(Error, a); c.Flags != FlagWrite || syscall.Errno(c.Res) != syscall.EMSGSIZE {
			t.Errorf("Error %+v, want EMSGSIZE while sending", c)
		}
		got := r.awaitPackets(b, 2)
		if got[0].data != "before" || got[1].data != "behind" {
			t.Errorf("received %+v", got)
		}
		r.settled()
	})
}

func TestDatagramRefused(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, address := udpSocket(t)
		gone, name := udpSocket(t)
		if err := unix.Connect(fd, name); err != nil {
			t.Fatal(err)
		}
		closeFd(t, gone)
		a := r.datagram(fd, 1)
		r.send(a, []byte("anyone?"), nil)
		if c := r.await(Error, a); syscall.Errno(c.Res) != syscall.ECONNREFUSED || c.Flags != FlagRead {
			t.Errorf("Error %+v, want ECONNREFUSED while reading", c)
		}
		back, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		own(t, back)
		if err := unix.Bind(back, name); err != nil {
			t.Fatal(err)
		}
		if err := unix.Sendto(back, []byte("here"), 0, address); err != nil {
			t.Fatal(err)
		}
		if got := r.awaitPackets(a, 1); got[0].data != "here" {
			t.Errorf("after the error: %+v", got)
		}
		r.quiet()
	})
}

func TestDatagramPauseResumeDiscard(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, peer := datagramPair(t)
		a := r.datagram(fd, 1)
		r.sq[0].Flags |= FlagPaused
		put(t, peer, []byte("early"))
		r.quiet()
		r.quiet()
		r.op(OpResume, a)
		if got := r.awaitPackets(a, 1); got[0].data != "early" {
			t.Errorf("after Resume: %+v", got)
		}
		for range 2000 {
			r.send(a, []byte("x"), nil)
		}
		r.turn(0)
		if r.buffered[a] == 0 {
			t.Skip("the peer is never full")
		}
		r.op(OpDiscard, a)
		put(t, peer, []byte("ignored"))
		for len(r.turn(TurnPoll)) > 0 {
		}
		r.settled()
		if len(r.packets[a]) != 0 {
			t.Errorf("after Discard: %+v", r.packets[a])
		}
	})
}

// TestATurnTakesBoundedDatagrams: a flood leaves others their share, and loses
// nothing to a small ring.
func TestATurnTakesBoundedDatagrams(t *testing.T) {
	const count = 200
	for _, s := range []settings{{}, {ring: 6, arena: 2 * minArena}, {ring: 30, arena: 3 * minArena}} {
		onEveryBackendWith(t, s, func(t *testing.T, r *rig) {
			fd, address := udpSocket(t)
			peer, _ := udpSocket(t)
			a := r.datagram(fd, 1)
			for i := range count {
				if err := unix.Sendto(peer, fmt.Append(nil, i), 0, address); err != nil {
					t.Fatal(err)
				}
			}
			left, right := socketPair(t)
			beside := r.attach(left, 2)
			put(t, right, []byte("beside"))
			most, turns := 0, 0
			r.until(func() bool {
				most = max(most, len(r.inbox))
				r.inbox = nil
				if turns++; turns == 40 && len(r.data[beside]) == 0 {
					t.Error("the stream beside the flood is starved")
				}
				return len(r.packets[a]) == count
			})
			if most > turnBytes/leastCost+receiveBatch {
				t.Errorf("a turn brought %d completions", most)
			}
			for i, got := range r.packets[a] {
				if got.data != fmt.Sprint(i) {
					t.Fatalf("datagram %d is %q", i, got.data)
				}
			}
			r.awaitData(beside, 6)
		})
	}
}

func TestDatagramOperationsRefused(t *testing.T) {
	r := newRig(t, "", settings{})
	fd, peer := datagramPair(t)
	a := r.datagram(fd, 1)
	expectErrno(t, "an operation for streams", r.errno(Submission{Op: OpShutdown, Fd: a.fd, Generation: a.generation}), syscall.EINVAL)
	user := r.write(a, []byte("a stream's"))
	stale := r.send(pair{a.fd, 9}, []byte("a stale pair's"), nil)
	r.turn(0)
	for _, user := range []uint64{user, stale} {
		if w := r.sent[user]; w.flags != 0 {
			t.Errorf("submission %d has flags %#x", user, w.flags)
		}
	}
	if got, _ := unix.Read(peer, make([]byte, 10)); got > 0 {
		t.Errorf("%d bytes were sent", got)
	}
	r.op(OpClose, a)
	r.quiet()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("after Close: %v", err)
	}
	bad := r.datagram(1<<20, 1)
	if c := r.await(Error, bad); syscall.Errno(c.Res) != syscall.EBADF {
		t.Errorf("Datagram on a closed number: %+v", c)
	}
	none, err := New(Options{Completions: make([]Completion, 8)})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Close()
	if err := none.Submit([]Submission{{Op: OpDatagram, Fd: int32(peer), Generation: 1}}); err != nil || none.Backlog() != 1 {
		t.Errorf("without an arena: %v, %d completions", err, none.Backlog())
	}
}

// BenchmarkDatagrams compares one system call a datagram with one for many: n
// datagrams of 1 KiB are sent and received over loopback.
func BenchmarkDatagrams(b *testing.B) {
	fd, bound := udpSocket(b)
	peer, _ := udpSocket(b)
	name := rawInet4(bound)
	data := make([]byte, 1024)
	slots := make([]byte, receiveBatch*(maxPacket+maxSockaddr))
	for _, n := range []int{1, 8} {
		for _, batch := range slices.Compact([]int{1, n}) {
			b.Run(fmt.Sprintf("%d by %d", n, batch), func(b *testing.B) {
				m := newMessages()
				for b.Loop() {
					for left := n; left > 0; left -= batch {
						for i := range batch {
							m.set(i, address(data), int64(len(data)), address(name), len(name))
						}
						if sent, errno := m.send(int32(peer), batch); sent != batch {
							b.Fatal(sent, errno)
						}
					}
					for left := n; left > 0; left -= batch {
						for i := range batch {
							at := i * (maxPacket + maxSockaddr)
							m.set(i, address(slots[at+maxSockaddr:]), maxPacket, address(slots[at:]), maxSockaddr)
						}
						if got, errno := m.receive(int32(fd), batch); got != batch {
							b.Fatal(got, errno)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/datagram")
			})
		}
	}
}

func TestSendersHavePlacesOfTheirOwn(t *testing.T) {
	inet := func(host byte, port uint16) []byte {
		return rawInet4(&unix.SockaddrInet4{Port: int(port), Addr: [4]byte{10, 0, 0, host}})
	}
	taken := map[uint16]bool{}
	for port := range uint16(4 * SenderPlaces) {
		place := senderPlace(inet(1, 40000+port))
		if place >= SenderPlaces || place != senderPlace(inet(1, 40000+port)) {
			t.Fatalf("port %d has place %d, then %d", port, place, senderPlace(inet(1, 40000+port)))
		}
		taken[place] = true
	}
	if len(taken) < SenderPlaces/2 {
		t.Errorf("%d ports share %d places", 4*SenderPlaces, len(taken))
	}
	name := make([]byte, unix.SizeofSockaddrInet6) // IPv6: the address counts to its last byte, a scope does not
	other := slices.Clone(name)
	other[23]++
	if senderPlace(name) == senderPlace(other) {
		t.Error("two hosts of a network share a place")
	}
	if senderPlace(nil) != 0 {
		t.Error("who has no name has a place of its own")
	}
}
