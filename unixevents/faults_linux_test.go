//go:build faults

package unixevents

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"goloop/internal/sys"
	"goloop/loop"

	"golang.org/x/sys/unix"
)

// errnos are what the system may say to a look at a child.
var errnos = []syscall.Errno{
	syscall.EINTR, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EPERM, syscall.EIO, syscall.EINVAL, syscall.ENOSYS,
}

func arm(t *testing.T, faults ...sys.Fault) *sys.Plan {
	t.Cleanup(sys.Disarm)
	return sys.Arm(faults...)
}

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestChildExitsInSpiteOfFaults: whatever one call says, its end is told once, and by another way if need be.
func TestChildExitsInSpiteOfFaults(t *testing.T) {
	for _, call := range []string{"pidfd_open", "waitid", "waitid pidfd", "wait4", "pipe2", "read", "epoll_ctl add", "close"} {
		for _, errno := range []syscall.Errno{syscall.EINTR, syscall.EMFILE, syscall.EPERM, syscall.ENOSYS} {
			t.Run(fmt.Sprint(call, " ", unix.ErrnoName(errno)), func(t *testing.T) {
				onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
					c := startChild(t, "wait")
					arm(t, sys.Fault{Name: call, Fd: sys.Any, Errno: errno})
					told := 0
					err := l.AddChildHandler(c.pid, func(pid, returncode int) {
						told++
						// Only the last way has no other to turn to: what wait4 does not give is lost.
						if returncode != 7 && !(call == "wait4" && errno != syscall.EINTR && returncode == 255) {
							t.Errorf("returncode %d", returncode)
						}
						l.Stop()
					})
					_ = c.stdin.Close()
					if err != nil {
						if !errors.Is(err, errno) {
							t.Errorf("AddChildHandler gave %v", err)
						}
						sys.Disarm()
						_, _ = syscall.Wait4(c.pid, nil, 0, nil)
						return
					}
					run(t, l)
					l.CallSoon(l.Stop)
					run(t, l)
					if told != 1 {
						t.Errorf("told %d times", told)
					}
					sys.Disarm()
					_, _ = syscall.Wait4(c.pid, nil, 0, nil)
				})
			})
		}
	}
}

// TestThreadWithoutWaitid: a thread that cannot wait without reaping reaps, in spite of signals.
func TestThreadWithoutWaitid(t *testing.T) {
	l, err := NewUnixSelectorEventLoop(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.SetChildWatcher("thread"); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, "wait")
	plan := arm(t, sys.Fault{Name: "waitid", Fd: sys.Any, Errno: syscall.ENOSYS}, sys.Fault{Name: "wait4", Fd: sys.Any, Times: 2, Errno: syscall.EINTR})
	got := endings(t, l, c)
	_ = c.stdin.Close()
	run(t, l)
	expect(t, got, ending{c.pid, 7})
	if plan.Met() != 3 {
		t.Errorf("%d calls met a fault", plan.Met())
	}
	assertReaped(t, c.pid)
}

// TestLoopIsClosedInSpiteOfFaults: close(2) frees a number whatever it says, and what it says of the selector is told.
func TestLoopIsClosedInSpiteOfFaults(t *testing.T) {
	before := descriptors(t)
	for skip := range 6 {
		l, err := NewUnixSelectorEventLoop(loop.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.SetChildWatcher("thread"); err != nil {
			t.Fatal(err)
		}
		c := startChild(t, "3")
		got := endings(t, l, c)
		run(t, l)
		expect(t, got, ending{c.pid, 3})
		plan := arm(t, sys.Fault{Name: "close", Fd: sys.Any, Skip: skip, Errno: syscall.EIO})
		if err := l.Close(); err != nil && !errors.Is(err, syscall.EIO) {
			t.Error("Close:", err)
		}
		if plan.Met() != 1 {
			t.Errorf("close number %d was not made", skip)
		}
		sys.Disarm()
		_ = c.stdin.Close()
	}
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors are open, which were %d", now, before)
	}
}

// TestThreadTellsInSpiteOfASignal: the byte that says that a child has ended is written again.
func TestThreadTellsInSpiteOfASignal(t *testing.T) {
	l, err := NewUnixSelectorEventLoop(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.SetChildWatcher("thread"); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, "wait")
	got := endings(t, l, c)
	w := l.children.watchers["thread"].(*threadWatcher)
	plan := arm(t, sys.Fault{Name: "write", Fd: w.write, Times: 2, Errno: syscall.EINTR})
	_ = c.stdin.Close()
	run(t, l)
	expect(t, got, ending{c.pid, 7})
	if plan.Met() != 2 {
		t.Errorf("%d writes met a signal", plan.Met())
	}
}

// TestWantOfDescriptorsIsNoWordOnPidfd: what passes does not decide for the life of the process.
func TestWantOfDescriptorsIsNoWordOnPidfd(t *testing.T) {
	if !hasPidfd() {
		t.Skip("this system has no pidfd")
	}
	for errno, want := range map[syscall.Errno]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOMEM: true, syscall.EINTR: true, syscall.ENOSYS: false, syscall.EPERM: false,
	} {
		arm(t, sys.Fault{Name: "pidfd_open", Fd: sys.Any, Errno: errno})
		if askForPidfd() != want {
			t.Errorf("after %v a pidfd can be had: %v", errno, !want)
		}
	}
}

// TestSignalsToChildrenFail: what the pidfd is refused the pid may have, and what both are refused is told.
func TestSignalsToChildrenFail(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		c := startChild(t, "wait")
		got := endings(t, l, c)
		for _, errno := range []syscall.Errno{syscall.ENOSYS, syscall.EPERM} {
			arm(t, sys.Fault{Name: "pidfd_send_signal", Fd: sys.Any, Errno: errno})
			if err := l.SendSignal(c.pid, 0); err != nil {
				t.Errorf("after %v from pidfd_send_signal: %v", errno, err)
			}
			arm(t, sys.Fault{Name: "waitid", Fd: sys.Any, Errno: errno})
			if err := l.SendSignal(c.pid, 0); err != nil {
				t.Errorf("after %v from waitid: %v", errno, err)
			}
			arm(t, sys.Fault{Name: "pidfd_send_signal|kill", Fd: sys.Any, Times: 2, Errno: syscall.EPERM})
			if err := l.SendSignal(c.pid, 0); !errors.Is(err, syscall.EPERM) {
				t.Errorf("SendSignal gave %v", err)
			}
		}
		arm(t, sys.Fault{Name: "waitid", Fd: sys.Any, Errno: syscall.EINTR})
		if err := l.SendSignal(c.pid, syscall.SIGTERM); err != nil {
			t.Error("SendSignal:", err)
		}
		sys.Disarm()
		run(t, l)
		expect(t, got, ending{c.pid, -int(syscall.SIGTERM)})
		assertReaped(t, c.pid)
	})
}

// TestSignalsInSpiteOfFaults: bytes that could not be read stay in the pipe.
func TestSignalsInSpiteOfFaults(t *testing.T) {
	for _, errno := range errnos {
		onEveryBackend(t, func(t *testing.T, l *UnixSelectorEventLoop) {
			var got []syscall.Signal
			for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
				if err := l.AddSignalHandler(sig, func() {
					if got = append(got, sig); len(got) == 3 {
						l.Stop()
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
			plan := arm(t, sys.Fault{Name: "read", Fd: l.signals.read, Times: 2, Errno: errno},
				sys.Fault{Name: "read", Fd: l.signals.read, Times: sys.Always, N: 1})
			want := []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2, syscall.SIGUSR1}
			raise(l, want...)
			run(t, l)
			if !slices.Equal(got, want) || plan.Met() < 5 {
				t.Errorf("%v: %v were handled, after %d faults", errno, got, plan.Met())
			}
		})
	}
}

// TestNewLoopFails: a loop that cannot have its pipe keeps nothing open.
func TestNewLoopFails(t *testing.T) {
	for _, fault := range []sys.Fault{
		{Name: "pipe2", Errno: syscall.EMFILE},
		{Name: "fcntl", Errno: syscall.EBADF},
		{Name: "eventfd", Errno: syscall.ENFILE},
		{Name: "epoll_ctl add", Skip: 1, Errno: syscall.ENOSPC}, // of the pipe
	} {
		fault.Fd = sys.Any
		before := descriptors(t)
		plan := arm(t, fault)
		l, err := NewUnixSelectorEventLoop(loop.Options{})
		if plan.Met() != 1 {
			t.Errorf("%+v was met %d times", fault, plan.Met())
		}
		if err == nil {
			t.Errorf("%+v: a loop was made", fault)
			_ = l.Close()
		} else if !errors.Is(err, fault.Errno) {
			t.Errorf("%+v: %v", fault, err)
		}
		if now := descriptors(t); now != before {
			t.Errorf("%+v: %d descriptors are open, which were %d", fault, now, before)
		}
	}
}
