//go:build unix

package loop

import (
	"encoding/binary"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketPair returns a pair of connected non-blocking stream sockets.
func socketPair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		own(t, fd)
	}
	return fds[0], fds[1]
}

// own makes fd non-blocking, and closed with the test unless that has done so.
func own(t testing.TB, fd int) {
	t.Helper()
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
}

// listen opens a TCP listener on loopback and returns it with its address.
func listen(t testing.TB, backlog int) (int, *unix.SockaddrInet4) {
	t.Helper()
	fd := tcpSocket(t)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, name.(*unix.SockaddrInet4)
}

func tcpSocket(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	own(t, fd)
	return fd
}

// rawInet4 is a struct sockaddr_in.
func rawInet4(a *unix.SockaddrInet4) []byte {
	raw := unix.RawSockaddrInet4{Addr: a.Addr}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unix.SizeofSockaddrInet4)
	if runtime.GOOS == "linux" {
		binary.NativeEndian.PutUint16(b, unix.AF_INET)
	} else { // the BSDs put the length first
		b[0], b[1] = byte(len(b)), unix.AF_INET
	}
	binary.BigEndian.PutUint16(b[2:], uint16(a.Port))
	return b
}

// tcpPair returns the ends of a TCP connection over loopback, non-blocking.
func tcpPair(t testing.TB) (a, b int) {
	t.Helper()
	server, address := listen(t, 1)
	a = dial(t, address)
	for {
		fd, _, err := unix.Accept(server)
		if err == unix.EAGAIN {
			runtime.Gosched()
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		own(t, fd)
		return a, fd
	}
}

// dial starts a connection; over loopback it is complete, or in the backlog.
func dial(t testing.TB, address unix.Sockaddr) int {
	t.Helper()
	fd := tcpSocket(t)
	if err := unix.Connect(fd, address); err != nil && err != unix.EINPROGRESS {
		t.Fatal(err)
	}
	return fd
}

func closeFd(t testing.TB, fd int) {
	t.Helper()
	if err := unix.Close(fd); err != nil {
		t.Fatal("close:", err)
	}
}

// put writes all of b to fd, which has room for it.
func put(t testing.TB, fd int, b []byte) {
	t.Helper()
	if n, err := unix.Write(fd, b); n != len(b) || err != nil {
		t.Fatal("write:", n, err)
	}
}

// fill writes until fd takes no more and returns how many bytes went.
func fill(t testing.TB, fd int) int {
	t.Helper()
	total := 0
	for b := make([]byte, 1<<14); ; {
		n, err := unix.Write(fd, b)
		if err == unix.EAGAIN {
			return total
		}
		if err != nil {
			t.Fatal("write:", err)
		}
		total += n
	}
}

// drain reads what fd has now; ended is true at an end of file.
func drain(t testing.TB, fd int) (got []byte, ended bool) {
	t.Helper()
	for b := make([]byte, 1<<16); ; {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EAGAIN:
			return got, false
		case err != nil:
			t.Fatal("read:", err)
		case n == 0:
			return got, true
		}
		got = append(got, b[:n]...)
	}
}

// pattern is n bytes that differ from their neighbours at any distance.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(n)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
