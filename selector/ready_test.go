//go:build unix

package selector

import (
	"testing"

	"golang.org/x/sys/unix"
)

func testRead(t *testing.T, s Selector) {
	r, w := pipe(t)
	register(t, s, r, EventRead, 7)
	expect(t, s)
	write(t, w)
	for range 3 { // level-triggered
		await(t, s, Event{int32(r), 7, EventRead})
	}
	empty(t, r)
	expect(t, s)
}

func testWrite(t *testing.T, s Selector) {
	a, b := socketPair(t)
	register(t, s, a, EventWrite, 7)
	for range 3 {
		await(t, s, Event{int32(a), 7, EventWrite})
	}
	fill(t, a)
	expect(t, s)
	empty(t, b)
	await(t, s, Event{int32(a), 7, EventWrite})
}

func testBoth(t *testing.T, s Selector) {
	a, b := socketPair(t)
	register(t, s, a, EventRead|EventWrite, 1)
	await(t, s, Event{int32(a), 1, EventWrite})
	write(t, b)
	await(t, s, Event{int32(a), 1, EventRead | EventWrite})
	fill(t, a)
	await(t, s, Event{int32(a), 1, EventRead})
}

func testOnlyRegistered(t *testing.T, s Selector) {
	a, b := socketPair(t)
	register(t, s, a, EventRead, 1)  // writable
	register(t, s, b, EventWrite, 2) // readable
	write(t, a)
	await(t, s, Event{int32(b), 2, EventWrite})
	if err := s.Unregister(b); err != nil {
		t.Fatal(err)
	}
	expect(t, s)
}

func testModify(t *testing.T, s Selector) {
	a, b := socketPair(t)
	write(t, b)
	register(t, s, a, EventRead, 1)
	for i, events := range []Events{EventWrite, EventRead | EventWrite, EventRead, EventRead} {
		generation := 1<<31 + uint32(i) // all 32 bits come back
		if err := s.Modify(a, events, generation); err != nil {
			t.Fatal(err)
		}
		await(t, s, Event{int32(a), generation, events})
	}
}

func testHangUp(t *testing.T, s Selector) {
	cases := []struct {
		name   string
		ends   func(testing.TB) (int, int)
		writer bool // watch the second end and close the first
		events Events
	}{
		{"pipe to read", pipe, false, EventRead},
		{"pipe to write", pipe, true, EventWrite},
		{"socket", socketPair, false, EventRead | EventWrite},
		{"socket to read", socketPair, false, EventRead},
		{"socket to write", socketPair, false, EventWrite},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			watched, other := c.ends(t)
			if c.writer {
				watched, other = other, watched
			}
			register(t, s, watched, c.events, 5)
			closeFd(t, other)
			for range 3 {
				await(t, s, Event{int32(watched), 5, c.events})
			}
			if err := s.Unregister(watched); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("half", func(t *testing.T) {
		a, b := socketPair(t)
		fill(t, a)
		register(t, s, a, EventRead|EventWrite, 6)
		if err := unix.Shutdown(b, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		await(t, s, Event{int32(a), 6, EventRead})
		if err := s.Unregister(a); err != nil {
			t.Fatal(err)
		}
	})
}

// tcpSocket returns a non-blocking TCP socket bound to a free port of the local
// host, and its address.
func tcpSocket(t *testing.T) (int, unix.Sockaddr) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, addr
}

func testConnect(t *testing.T, s Selector) {
	server, addr := tcpSocket(t)
	if err := unix.Listen(server, 1); err != nil {
		t.Fatal(err)
	}
	register(t, s, server, EventRead, 1)
	expect(t, s)
	client, _ := tcpSocket(t)
	if err := unix.Connect(client, addr); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	await(t, s, Event{int32(server), 1, EventRead})
	if err := s.Unregister(server); err != nil {
		t.Fatal(err)
	}
	register(t, s, client, EventWrite, 2)
	await(t, s, Event{int32(client), 2, EventWrite})
	if errno, err := unix.GetsockoptInt(client, unix.SOL_SOCKET, unix.SO_ERROR); errno != 0 || err != nil {
		t.Fatal(errno, err)
	}
}

func testConnectRefused(t *testing.T, s Selector) {
	_, addr := tcpSocket(t) // bound, so that no other process listens there
	client, _ := tcpSocket(t)
	switch err := unix.Connect(client, addr); err {
	case unix.ECONNREFUSED:
		return // FreeBSD may answer at once
	case nil:
		t.Fatal("connected")
	case unix.EINPROGRESS:
	default:
		t.Fatal(err)
	}
	register(t, s, client, EventWrite, 3)
	await(t, s, Event{int32(client), 3, EventWrite})
	errno, err := unix.GetsockoptInt(client, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil || unix.Errno(errno) != unix.ECONNREFUSED {
		t.Fatal(errno, err)
	}
}

func testSmallSlice(t *testing.T, s Selector) {
	const ready = 10
	for range ready {
		r, w := pipe(t)
		write(t, w)
		register(t, s, r, EventRead, 1)
	}
	for _, size := range []int{1, 3, 9} {
		seen := map[int32]int{}
		for range 3 * ready {
			events := make([]Event, size, 2*size)
			n, err := s.Select(events, patience)
			if err != nil || n != size {
				t.Fatalf("Select gave %d, %v; want %d", n, err, size)
			}
			for _, e := range events {
				seen[e.Fd]++
			}
		}
		if len(seen) != ready {
			t.Fatalf("slices of %d: %d descriptors of %d were reported: %v", size, len(seen), ready, seen)
		}
		for fd, times := range seen { // an even share is 3*size
			if times < 2*size || times > 4*size {
				t.Errorf("slices of %d: descriptor %d was reported %d times, want about %d", size, fd, times, 3*size)
			}
		}
	}
}

func testLargeSlice(t *testing.T, s Selector) {
	const pairs = 50
	for i := range pairs {
		a, b := socketPair(t)
		register(t, s, a, EventWrite, uint32(2*i))
		register(t, s, b, EventWrite, uint32(2*i+1))
	}
	events := make([]Event, 4*pairs)
	n, err := s.Select(events, patience)
	if err != nil || n != 2*pairs {
		t.Fatalf("Select gave %d, %v; want %d", n, err, 2*pairs)
	}
	seen := map[uint32]bool{}
	for _, e := range events[:n] {
		seen[e.Generation] = true
	}
	if len(seen) != n {
		t.Fatalf("%d events tell of %d descriptors", n, len(seen))
	}
}
