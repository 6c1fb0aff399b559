//go:build faults

package batch

import (
	"syscall"
	"testing"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// TestRunFails: requests that the system has not taken were not tried, whatever it said, and the ring goes on.
func TestRunFails(t *testing.T) {
	b := open(t)
	defer sys.Disarm()
	for _, test := range []struct {
		fault   sys.Fault
		taken   int
		refused bool
	}{
		{sys.Fault{Errno: syscall.EINTR}, 0, false},
		{sys.Fault{Errno: syscall.EAGAIN}, 0, false},
		{sys.Fault{Errno: syscall.EBUSY}, 0, false},
		{sys.Fault{Errno: syscall.ENOMEM}, 0, false},
		{sys.Fault{N: 1}, 1, false},
		{sys.Fault{N: 3}, 3, false},
		{sys.Fault{Errno: syscall.EPERM}, 0, true},
		{sys.Fault{Errno: syscall.EBADF}, 0, true},
	} {
		text := []byte("text")
		var readers [4]int
		for i := range readers {
			w, r := pair(t)
			readers[i] = r
			b.Gather(address(text), int64(len(text)))
			b.Send(int32(w))
		}
		test.fault.Name, test.fault.Fd = "io_uring_enter", sys.Any
		sys.Arm(test.fault)
		b.Run()
		sys.Disarm()
		for i, r := range readers {
			n, errno := len(text), syscall.Errno(0)
			if i >= test.taken {
				n, errno = 0, ErrNotTried
			}
			expect(t, b, i, n, errno)
			if got, _ := unix.Read(r, make([]byte, 10)); max(got, 0) != n {
				t.Errorf("%+v: peer %d got %d bytes", test.fault, i, got)
			}
		}
		if b.Refused() != test.refused {
			t.Errorf("%+v: Refused is %v", test.fault, b.Refused())
		}
		b.Reset()
		b.invalid = false
	}
}

// TestRequestsFail: an error is that of its own request. Want of memory may be the ring's alone, so the socket is
// served by itself.
func TestRequestsFail(t *testing.T) {
	b := open(t)
	defer sys.Disarm()
	for errno, want := range map[syscall.Errno]syscall.Errno{
		syscall.EAGAIN: syscall.EAGAIN, syscall.EPIPE: syscall.EPIPE, syscall.ENOMEM: ErrNotTried,
	} {
		text, got := []byte("all of it"), make([]byte, 20)
		for k := range 3 { // sends of one part, of two, and a receive
			w, r := pair(t)
			name, fd := "io_uring send", w
			if k == 2 {
				name, fd = "io_uring recv", r
			}
			sys.Arm(sys.Fault{Name: name, Fd: fd, Errno: errno})
			other, otherR := pair(t)
			b.Gather(address(text), 4)
			if k == 1 {
				b.Gather(address(text[4:]), 5)
			}
			if k == 2 {
				b.Ungather()
				b.Receive(int32(r), address(got), len(got))
			} else {
				b.Send(int32(w))
			}
			b.Gather(address(text), 9)
			b.Send(int32(other))
			b.Run()
			expect(t, b, 0, 0, want)
			expect(t, b, 1, 9, 0)
			if n, _ := unix.Read(r, got); n > 0 {
				t.Errorf("%v: the peer got %d bytes", errno, n)
			}
			if n, _ := unix.Read(otherR, got); n != 9 {
				t.Errorf("%v: the other peer got %d bytes", errno, n)
			}
			b.Reset()
		}
	}
	if b.Refused() {
		t.Error("the system refused what it did")
	}
}
