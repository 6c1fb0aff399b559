//go:build faults

package selector

import (
	"errors"
	"os"
	"testing"
	"time"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// TestRebuildFails: an epoll that cannot be built anew goes on with the old one, and tries again at the next wait.
func TestRebuildFails(t *testing.T) {
	for _, fault := range []sys.Fault{
		{Name: "epoll_create1", Errno: unix.EMFILE},
		{Name: "epoll_create1", Errno: unix.ENOMEM},
		{Name: "epoll_ctl add", Errno: unix.ENOMEM},          // of the waker
		{Name: "epoll_ctl add", Errno: unix.ENOSPC, Skip: 1}, // of the first descriptor
		{Name: "epoll_ctl add", Errno: unix.ENOMEM, Skip: 2},
		{Name: "dup3", Errno: unix.EBUSY},
		{Name: "dup3", Errno: unix.EINTR},
	} {
		fault.Fd, fault.Times = sys.Any, 3
		s, err := New("epoll")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r, w := pipe(t)
		duplicate(t, r, 0)
		one, oneW := pipe(t)
		two, twoW := pipe(t)
		register(t, s, r, EventRead, 1)
		register(t, s, one, EventRead, 2)
		register(t, s, two, EventRead, 3)
		write(t, w)
		write(t, oneW)
		closeFd(t, r)
		if err := s.Unregister(r); err != nil {
			t.Fatal(err)
		}
		open := descriptors(t)
		plan := sys.Arm(fault)
		defer sys.Disarm()
		for range 2 {
			expect(t, s, Event{int32(one), 2, EventRead})
		}
		if plan.Met() == 0 {
			t.Errorf("%+v was not met", fault)
		}
		sys.Disarm()
		if now := descriptors(t); now != open {
			t.Errorf("%+v: %d descriptors are open, which were %d", fault, now, open)
		}
		expect(t, s, Event{int32(one), 2, EventRead})
		empty(t, one)
		if got := waited(t, s, 20*time.Millisecond); got < 20*time.Millisecond {
			t.Errorf("%+v: Select waited %v, want at least 20ms", fault, got)
		}
		write(t, twoW)
		await(t, s, Event{int32(two), 3, EventRead})
		if err := s.Wake(); err != nil {
			t.Fatal(err)
		}
		await(t, s, Event{int32(two), 3, EventRead})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestWakeFails: a wake-up that a signal has ended is made again, and any other error is told.
func TestWakeFails(t *testing.T) {
	for name, open := range selectors {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			defer sys.Disarm()
			plan := sys.Arm(sys.Fault{Name: "write", Fd: s.WakeFd(), Times: 3, Errno: unix.EINTR})
			if err := s.Wake(); err != nil || plan.Met() != 3 {
				t.Errorf("Wake gave %v after %d signals", err, plan.Met())
			}
			await(t, s)
			sys.Arm(sys.Fault{Name: "write", Fd: s.WakeFd(), Errno: unix.EIO})
			if err := s.Wake(); !errors.Is(err, unix.EIO) {
				t.Errorf("Wake gave %v", err)
			}
			// A counter that cannot be read ends one more wait.
			sys.Arm(sys.Fault{Name: "read", Fd: s.WakeFd(), Errno: unix.EINTR})
			if err := s.Wake(); err != nil {
				t.Error("Wake:", err)
			}
			await(t, s)
			for range 2 {
				expect(t, s)
			}
		})
	}
}
