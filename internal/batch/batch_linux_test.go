package batch

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// open returns a batch, or skips where a container forbids io_uring.
func open(t *testing.T) *Batch {
	t.Helper()
	b := Open()
	if b == nil {
		t.Skip("this system has no io_uring for us")
	}
	t.Cleanup(b.Close)
	return b
}

func pair(t *testing.T) (int, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

func expect(t *testing.T, b *Batch, k, n int, errno syscall.Errno) {
	t.Helper()
	if got, e := b.Result(k); got != n || e != errno {
		t.Errorf("request %d: %d, %v; want %d, %v", k, got, e, n, errno)
	}
}

func TestEachSocketGetsItsOwn(t *testing.T) {
	b := open(t)
	for round := range 3 { // the ring goes round: 3 times 64 requests
		var sent, received [Max][]byte
		var readers [Max]int
		for i := range Max {
			w, r := pair(t)
			readers[i] = r
			sent[i] = bytes.Repeat([]byte{byte(i), byte(round)}, i+1)
			received[i] = make([]byte, 200)
			if !b.Gather(address(sent[i]), int64(len(sent[i]))) || !b.Send(int32(w)) {
				t.Fatalf("no room for request %d", i)
			}
		}
		b.Run()
		for i := range Max {
			expect(t, b, i, len(sent[i]), 0)
		}
		b.Reset()
		for i := range Max {
			b.Receive(int32(readers[i]), address(received[i]), len(received[i]))
		}
		b.Run()
		for i := range Max {
			n, _ := b.Result(i)
			if !bytes.Equal(received[i][:n], sent[i]) {
				t.Errorf("socket %d got %q for %q", i, received[i][:n], sent[i])
			}
		}
		b.Reset()
	}
	if b.Refused() {
		t.Error("the system refused what it did")
	}
}

func TestGatheredPiecesLeaveInOrder(t *testing.T) {
	b := open(t)
	w, r := pair(t)
	pieces := [][]byte{[]byte("one "), []byte("two "), []byte("three"), []byte("never"), []byte("!")}
	for _, piece := range pieces[:3] {
		b.Gather(address(piece), int64(len(piece)))
	}
	b.Send(int32(w))
	b.Gather(address(pieces[3]), 5)
	b.Ungather()
	b.Gather(address(pieces[4]), 1)
	b.Send(int32(w))
	b.Run()
	runtime.KeepAlive(pieces)
	expect(t, b, 0, 13, 0)
	expect(t, b, 1, 1, 0)
	buffer := make([]byte, 100)
	if n, _ := unix.Read(r, buffer); string(buffer[:n]) != "one two three!" {
		t.Errorf("got %q", buffer[:n])
	}
}

func TestResultsOfSocketsThatCannot(t *testing.T) {
	b := open(t)
	idle, _ := pair(t)
	ended, peer := pair(t)
	_ = unix.Shutdown(peer, unix.SHUT_WR)
	broken, gone := pair(t)
	_ = unix.Shutdown(gone, unix.SHUT_RDWR) // a send gives EPIPE, and must raise no SIGPIPE
	file, err := unix.MemfdCreate("file", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	buffer := make([]byte, 10)
	b.Receive(int32(idle), address(buffer), 10)
	b.Receive(int32(ended), address(buffer), 10)
	b.Gather(address(buffer), 10)
	b.Send(int32(broken))
	b.Receive(1<<20, address(buffer), 10)
	b.Receive(int32(file), address(buffer), 10)
	b.Run()
	expect(t, b, 0, 0, syscall.EAGAIN)
	expect(t, b, 1, 0, 0)
	expect(t, b, 2, 0, syscall.EPIPE)
	expect(t, b, 3, 0, syscall.EBADF)
	expect(t, b, 4, 0, syscall.ENOTSOCK)
	if b.Refused() {
		t.Error("an error of a socket counts as a refusal of the system")
	}
}

func TestSendTakesWhatHasRoom(t *testing.T) {
	b := open(t)
	w, _ := pair(t)
	big := make([]byte, 8<<20)
	b.Gather(address(big), int64(len(big)))
	b.Send(int32(w))
	b.Gather(address(big), int64(len(big)))
	b.Send(int32(w))
	b.Run()
	if n, errno := b.Result(0); n <= 0 || n >= len(big) || errno != 0 {
		t.Errorf("of %d bytes: %d, %v", len(big), n, errno)
	}
	expect(t, b, 1, 0, syscall.EAGAIN)
}

func TestLimits(t *testing.T) {
	b := open(t)
	w, _ := pair(t)
	byteOf := make([]byte, 1)
	if b.Gather(address(byteOf), 1<<31) {
		t.Error("2 GiB in one request")
	}
	for range Max {
		b.Gather(address(byteOf), 1)
		if !b.Send(int32(w)) {
			t.Fatal("no room below Max")
		}
	}
	b.Gather(address(byteOf), 1)
	if b.Send(int32(w)) || b.Len() != Max {
		t.Errorf("%d requests, and room for more", b.Len())
	}
	b.Reset()
	n := 0
	for b.Gather(address(byteOf), 1) {
		n++
	}
	if n < Max {
		t.Errorf("room for %d pieces", n)
	}
}

// TestClosedByOthers: a program that closes all descriptors takes ours too. Nothing is tried then, and nothing lost.
func TestClosedByOthers(t *testing.T) {
	b := open(t)
	w, r := pair(t)
	fd := b.Fd()
	_ = unix.Close(fd)
	x := []byte("x")
	b.Gather(address(x), 1)
	b.Send(int32(w))
	b.Run()
	runtime.KeepAlive(x)
	expect(t, b, 0, 0, ErrNotTried)
	if !b.Refused() {
		t.Error("no refusal")
	}
	if n, err := unix.Read(r, make([]byte, 1)); err != unix.EAGAIN {
		t.Errorf("%d bytes came, %v", n, err)
	}
}

func TestForkedChildHasNoMapping(t *testing.T) {
	b := open(t)
	for _, m := range [][]byte{b.rings, b.entries} {
		if flags := vmFlags(t, address(m)); !bytes.Contains(flags, []byte(" dc")) {
			t.Errorf("a fork copies the ring's memory: VmFlags%s", flags)
		}
	}
}

// vmFlags is the line of /proc/self/smaps for the mapping that begins at addr; "dc" is MADV_DONTFORK.
func vmFlags(t *testing.T, addr uint64) []byte {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	_, rest, found := bytes.Cut(smaps, fmt.Appendf(nil, "\n%x-", addr))
	_, rest, found2 := bytes.Cut(rest, []byte("VmFlags:"))
	if !found || !found2 {
		t.Fatal("the ring's memory is not in smaps")
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return line
}
