//go:build unix && faults

package loop

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// TestAcceptFails: want of resources means a rest, what concerns one connection nothing, and any other error is told.
func TestAcceptFails(t *testing.T) {
	nothing := []syscall.Errno{syscall.EINTR, syscall.EAGAIN, syscall.ECONNABORTED}
	rest := []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			fd, address := listen(t, 4)
			l := r.listening(fd, 4)
			dial(t, address)
			dial(t, address)
			plan := arm(t, sys.Fault{Name: "accept", Fd: fd, Skip: 1, Errno: errno})
			own(t, int(r.await(Accepted, l).Res)) // the first: the fault concerns the second
			expectMet(t, plan, 1)
			switch {
			case slices.Contains(nothing, errno):
				if len(r.inbox) != 1 {
					t.Errorf("%+v, want one connection", r.inbox)
				}
			case slices.Contains(rest, errno):
				if c := r.await(AcceptFailed, l); syscall.Errno(c.Res) != errno || c.Flags != FlagBackoff {
					t.Errorf("%+v, want %v and a rest", c, errno)
				}
				r.quiet()
				r.timers.heap.Items[0].when = r.Now() // it is over
			default:
				if c := r.await(AcceptFailed, l); syscall.Errno(c.Res) != errno || c.Flags != 0 {
					t.Errorf("%+v, want %v", c, errno)
				}
			}
			r.inbox = nil
			own(t, int(r.await(Accepted, l).Res))
			r.quiet()
		})
	})
}

// TestListenerThatCannotBeWatchedAgain: it goes on resting, as often as the system refuses.
func TestListenerThatCannotBeWatchedAgain(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOMEM, syscall.ENOSPC} {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			fd, address := listen(t, 4)
			l := r.listening(fd, 4)
			dial(t, address)
			if r.Selector().Name() == "kqueue" {
				t.Skip("a change has the queue's descriptor")
			}
			plan := arm(t, sys.Fault{Name: "accept", Fd: fd, Errno: syscall.EMFILE}, sys.Fault{Name: registering, Fd: fd, Times: 2, Errno: errno})
			for _, want := range []syscall.Errno{syscall.EMFILE, errno, errno} {
				r.inbox = nil
				if c := r.await(AcceptFailed, l); syscall.Errno(c.Res) != want || c.Flags != FlagBackoff {
					t.Errorf("%+v, want %v and a rest", c, want)
				}
				r.quiet()
				r.timers.heap.Items[0].when = r.Now()
			}
			expectMet(t, plan, 3)
			own(t, int(r.await(Accepted, l).Res))
		})
	}
}

func TestListenFails(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, _ := listen(t, 4)
		r.op(OpDetach, r.listening(fd, 4)) // the table has its number
		r.turn(0)
		for _, errno := range []syscall.Errno{syscall.ENOMEM, syscall.ENOSPC, syscall.EPERM} {
			if r.Selector().Name() == "kqueue" {
				t.Skip("a change has the queue's descriptor")
			}
			arm(t, sys.Fault{Name: registering, Fd: fd, Errno: errno})
			expectErrno(t, "Listen", r.errno(Submission{Op: OpListen, Fd: int32(fd), Generation: 2}), errno)
			r.quiet()
			if n := r.Selector().Len(); n != 0 {
				t.Errorf("the selector watches %d descriptors", n)
			}
		}
	})
}

// TestConnectFails: EINTR says that the connection is under way, and any other errno is the answer.
func TestConnectFails(t *testing.T) {
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			_, address := listen(t, 1)
			ours := tcpSocket(t)
			plan := arm(t, sys.Fault{Name: "connect", Fd: ours, Errno: errno}, sys.Fault{Name: "getpeername", Fd: ours, Errno: errno})
			s := r.connecting(ours, rawInet4(address))
			if errno != syscall.EINTR {
				expectErrno(t, "Connect", syscall.Errno(s.Res), errno)
				expectMet(t, plan, 1)
				r.quiet()
				return
			}
			expectMet(t, plan, 2)
			expectErrno(t, "Connect", syscall.Errno(s.Res), syscall.EINPROGRESS)
			expectErrno(t, "the connect", r.outcome(ours, s), 0)
		})
	})
}

// TestWatchFails: what was watched before still is, and nothing else.
func TestWatchFails(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOMEM, syscall.ENOSPC, syscall.EPERM} {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			if r.Selector().Name() == "kqueue" {
				t.Skip("a change has the queue's descriptor")
			}
			a, b := socketPair(t)
			p := pair{int32(a), 1}
			expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
			expectErrno(t, "Watch of nothing", r.errno(watchOf(a, 1, 0)), 0)
			r.turn(TurnPoll)

			arm(t, sys.Fault{Name: registering, Fd: a, Errno: errno})
			expectErrno(t, "a Watch that is refused", r.errno(watchOf(a, 1, FlagRead)), errno)
			put(t, b, []byte("x"))
			r.quiet()

			expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead)), 0)
			arm(t, sys.Fault{Name: registering, Fd: a, Errno: errno})
			expectErrno(t, "a Watch of more that is refused", r.errno(watchOf(a, 1, FlagRead|FlagWrite)), errno)
			got := r.turn(TurnPoll)
			if len(got) != 1 || got[0].Flags != FlagRead {
				t.Errorf("%+v, want the reader", got)
			}

			arm(t, sys.Fault{Name: registering, Fd: a, Errno: errno})
			expectErrno(t, "the same Watch, refused", r.errno(watchOf(a, 1, FlagRead)), errno)
			r.inbox = nil
			r.await(WatchReady, p)
			expectErrno(t, "Watch of nothing", r.errno(watchOf(a, 1, 0)), 0)
			r.quiet()
		})
	}
}

// TestWatchOfLessFails: the selector goes on reporting what nobody asks about; that is told to nobody and ended by the
// next look.
func TestWatchOfLessFails(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		if r.Selector().Name() == "kqueue" {
			t.Skip("a change has the queue's descriptor")
		}
		a, _ := socketPair(t)
		expectErrno(t, "Watch", r.errno(watchOf(a, 1, FlagRead|FlagWrite)), 0)
		plan := arm(t, sys.Fault{Name: "epoll_ctl mod|fcntl", Fd: a, Errno: syscall.ENOMEM})
		expectErrno(t, "Watch of less", r.errno(watchOf(a, 1, FlagRead)), 0)
		r.quiet()
		expectMet(t, plan, 1)
		if r.calmAfter(2) {
			return
		}
		t.Error("the loop goes on being woken")
	})
}

// calmAfter takes n turns and tells whether the last was ended by no descriptor.
func (r *rig) calmAfter(n int) bool {
	r.t.Helper()
	var before uint64
	for range n {
		before = r.Stats().Events
		r.turn(TurnPoll)
	}
	return r.Stats().Events == before
}

// TestSelectFails: a turn that cannot look tells it, and the next one has lost nothing.
func TestSelectFails(t *testing.T) {
	for _, errno := range append(slices.Clone(errnos), syscall.EBADF, syscall.EINVAL) {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, r *rig) {
				a, b := socketPair(t)
				s := r.attach(a, 1)
				r.turn(0)
				for _, flags := range []TurnFlags{TurnPoll, TurnWait} {
					timer := r.Now() + int64(1500000) // a wait of no whole milliseconds
					r.submit(Submission{Op: OpTimerAdd, User: 1, Len: timer})
					r.write(s, []byte("written"))
					put(t, b, []byte("read"))
					plan := arm(t, sys.Fault{Name: selecting, Fd: sys.Any, Times: 3, Errno: errno})
					before := r.Stats().Turns
					n, err := r.Turn(r.sq, flags)
					r.take(r.sq, n) // the timer's, perhaps
					r.sq = nil
					sys.Disarm()
					if plan.Met() == 0 || r.Stats().Turns != before+1 {
						t.Error("the turn met no fault")
					}
					refused := errno != syscall.EINTR && (errno != syscall.EAGAIN || r.Selector().Name() != "poll")
					if errno == syscall.EBADF && r.Selector().Name() == "select" {
						refused = err != nil // it looks for the closed descriptor, and there is none
					}
					if got := errors.Is(err, errno); got != refused {
						t.Errorf("Turn gave %v", err)
					}
					if got := r.awaitData(s, len("read")); string(got) != "read" {
						t.Errorf("Data %q", got)
					}
					if got, _ := drain(t, b); string(got) != "written" {
						t.Errorf("the peer got %q", got)
					}
					r.until(func() bool { return r.count(TimerDue, pair{}) > 0 })
					r.inbox = nil
				}
				r.settled()
			})
		})
	}
}

// TestNewFails: an engine that cannot be opened keeps nothing open.
func TestNewFails(t *testing.T) {
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		onEveryBackend(t, func(t *testing.T, r *rig) {
			before := r.descriptors()
			for _, call := range []string{"eventfd", "epoll_create1", "epoll_ctl add", "pipe2", "kqueue", "kevent change"} {
				plan := arm(t, sys.Fault{Name: call, Fd: sys.Any, Errno: errno})
				e, err := New(Options{Selector: r.Selector().Name(), Completions: make([]Completion, minRoom)})
				sys.Disarm()
				switch {
				case plan.Met() == 0 || err == nil:
					if err := e.Close(); err != nil {
						t.Error("Close:", err)
					}
				case !errors.Is(err, errno):
					t.Errorf("%s: New gave %v", call, err)
				}
				if now := r.descriptors(); now != before {
					t.Errorf("%s: %d descriptors are open, which were %d", call, now, before)
				}
			}
		})
	})
}

// TestBatchCannotBeOpened: the sockets have calls of their own then.
func TestBatchCannotBeOpened(t *testing.T) {
	for _, call := range []string{"io_uring_setup", "mmap", "madvise"} {
		eachErrno(t, func(t *testing.T, errno syscall.Errno) {
			r := newRig(t, "", settings{batched: true})
			before := r.descriptors()
			plan := arm(t, sys.Fault{Name: call, Fd: sys.Any, Errno: errno})
			a, b := socketPair(t)
			s := r.attach(a, 1)
			r.write(s, []byte("written"))
			r.turn(TurnPoll)
			if plan.Met() == 0 {
				t.Skip("this system has no such call for us")
			}
			sys.Disarm()
			if got, _ := drain(t, b); string(got) != "written" {
				t.Errorf("the peer got %q", got)
			}
			if now := r.descriptors(); now != before+2 {
				t.Errorf("%d descriptors are open, which were %d and two", now, before)
			}
			r.settled()
		})
	}
}
