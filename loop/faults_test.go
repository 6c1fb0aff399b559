//go:build unix && faults

package loop

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// errnos are what the system may say to any call.
var errnos = []syscall.Errno{
	syscall.EINTR, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNRESET,
	syscall.EPIPE, syscall.ETIMEDOUT, syscall.ECONNABORTED, syscall.EPERM, syscall.EIO,
}

// waits tells whether errno says no more than that the call is to be made again.
func waits(errno syscall.Errno) bool { return errno == syscall.EINTR || errno == syscall.EAGAIN }

// The names of the calls that serve one purpose, whatever serves the descriptor.
const (
	reading     = "recv|read|io_uring recv"
	writing     = "send|sendmsg|write|writev|io_uring send"
	registering = "epoll_ctl add|epoll_ctl mod|fcntl|kevent change"
	selecting   = "epoll_wait|epoll_pwait2|poll|select|kevent"
)

// arm injects faults for the rest of a test.
func arm(t testing.TB, faults ...sys.Fault) *sys.Plan {
	t.Cleanup(sys.Disarm)
	return sys.Arm(faults...)
}

// descriptors counts those of this process, less that of a batch, which is opened at need.
func (r *rig) descriptors() int {
	r.t.Helper()
	names, err := os.ReadDir("/dev/fd")
	if err != nil {
		r.t.Fatal(err)
	}
	n := len(names)
	if r.BatchFd() >= 0 {
		n--
	}
	return n
}

func expectMet(t testing.TB, p *sys.Plan, n int) {
	t.Helper()
	sys.Disarm()
	if got := p.Met(); got != n {
		t.Errorf("%d calls met a fault, want %d", got, n)
	}
}

// expectError fails unless one Error, of this errno and direction, was told of p, and nothing watches it.
func (r *rig) expectError(p pair, errno syscall.Errno, direction uint16) {
	r.t.Helper()
	c := r.await(Error, p)
	if syscall.Errno(c.Res) != errno || c.Flags != direction || r.count(Error, p) != 1 {
		r.t.Errorf("%d times Error %v, flags %#x; want %v, %#x once", r.count(Error, p), syscall.Errno(c.Res), c.Flags, errno, direction)
	}
	r.write(p, []byte("after the error"))
	r.quiet()
	if w := r.sent[r.user]; w.flags != 0 {
		r.t.Errorf("a Write after Error has flags %#x", w.flags)
	}
	if n := r.Selector().Len(); n != 0 {
		r.t.Errorf("after Error the selector watches %d descriptors", n)
	}
}

// eachStream runs test for a socket and for a socket that is served as a pipe, which has been read from once.
func eachStream(t *testing.T, test func(t *testing.T, r *rig, s pair, a, b int)) {
	for _, served := range []struct {
		as    string
		flags uint16
	}{{"socket", 0}, {"pipe", FlagPipe}} {
		t.Run(served.as, func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, r *rig) {
				a, b := socketPair(t)
				s := pair{int32(a), 1}
				r.submit(Submission{Op: OpAttach, Flags: served.flags, Fd: s.fd, Generation: s.generation})
				put(t, b, []byte("first"))
				r.awaitData(s, len("first"))
				r.inbox = nil
				open := r.descriptors()
				test(t, r, s, a, b)
				r.op(OpClose, s)
				r.quiet()
				r.settled()
				if now := r.descriptors(); now != open-1 {
					t.Errorf("%d descriptors are open, which were %d before one was closed", now, open)
				}
			})
		})
	}
}

// eachErrno runs test for each of errnos.
func eachErrno(t *testing.T, test func(t *testing.T, errno syscall.Errno)) {
	for _, errno := range errnos {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) { test(t, errno) })
	}
}

func TestReadFails(t *testing.T) {
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		eachStream(t, func(t *testing.T, r *rig, s pair, a, b int) {
			plan := arm(t, sys.Fault{Name: reading, Fd: a, Times: 2, Errno: errno})
			put(t, b, []byte("second"))
			if waits(errno) {
				if got := r.awaitData(s, len("second")); string(got) != "second" {
					t.Errorf("Data %q", got)
				}
				expectMet(t, plan, 2)
				return
			}
			r.expectError(s, errno, FlagRead)
			if plan.Met() > 2 || len(r.data[s]) != 0 {
				t.Errorf("%d reads, %d bytes", plan.Met(), len(r.data[s]))
			}
		})
	})
}

func TestReadComesBackShort(t *testing.T) {
	for _, n := range []int{1, 3} {
		eachStream(t, func(t *testing.T, r *rig, s pair, a, b int) {
			arm(t, sys.Fault{Name: reading, Fd: a, Times: sys.Always, N: n})
			put(t, b, []byte("in very small pieces"))
			if got := r.awaitData(s, len("in very small pieces")); string(got) != "in very small pieces" {
				t.Errorf("Data %q", got)
			}
			sys.Disarm()
			if err := unix.Shutdown(b, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			r.await(EOF, s)
		})
	}
}

func TestDirectReadFails(t *testing.T) {
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		eachStream(t, func(t *testing.T, r *rig, s pair, a, b int) {
			long := pattern(directFrom + directFrom/4) // a batch takes some first
			put(t, b, long)
			r.awaitData(s, len(long))
			put(t, b, []byte("direct"))
			r.await(Readable, s)
			plan := arm(t, sys.Fault{Name: reading, Fd: a, Errno: errno})
			buf := make([]byte, 100)
			n, err := r.Read(s.fd, s.generation, uintptr(address(buf)), len(buf))
			if n != 0 || err != nil {
				t.Errorf("Read: %d, %v", n, err)
			}
			expectMet(t, plan, 1)
			if !waits(errno) {
				r.expectError(s, errno, FlagRead)
				return
			}
			r.inbox = nil
			r.await(Readable, s)
			n, err = r.Read(s.fd, s.generation, uintptr(address(buf)), len(buf))
			if string(buf[:n]) != "direct" || err != nil {
				t.Errorf("Read: %q, %v", buf[:n], err)
			}
		})
	})
}

// ways are how bytes leave: in a call for one Write, for several, and from the queue.
var ways = map[string]func(r *rig, s pair, b int) (before int){
	"one": func(r *rig, s pair, _ int) int {
		r.write(s, []byte("all of what is written"))
		return 0
	},
	"chain": func(r *rig, s pair, _ int) int {
		for _, part := range []string{"all of ", "", "what ", "is written"} {
			r.write(s, []byte(part))
		}
		return 0
	},
	"queue": func(r *rig, s pair, b int) int {
		before := fill(r.t, int(s.fd))
		for _, part := range []string{"all of ", "what ", "", "is written"} {
			r.write(s, []byte(part))
			r.turn(0)
		}
		return before
	},
}

const written = "all of what is written"

// collect takes turns until fd has brought n bytes or there is an Error of s, and returns what it brought.
func (r *rig) collect(s pair, fd, n int) []byte {
	r.t.Helper()
	var got []byte
	for len(got) < n && r.count(Error, s) == 0 {
		if r.expired.Load() {
			r.t.Fatalf("the peer got %d bytes of %d", len(got), n)
		}
		part, _ := drain(r.t, fd)
		got = append(got, part...)
		r.turn(TurnPoll)
	}
	rest, _ := drain(r.t, fd)
	return append(got, rest...)
}

func TestWriteFails(t *testing.T) {
	for way, write := range ways {
		t.Run(way, func(t *testing.T) {
			eachErrno(t, func(t *testing.T, errno syscall.Errno) {
				eachStream(t, func(t *testing.T, r *rig, s pair, a, b int) {
					if way == "queue" {
						before := write(r, s, b)
						plan := arm(t, sys.Fault{Name: writing, Fd: a, Times: 2, Errno: errno})
						got := r.collect(s, b, before+len(written))[before:]
						r.expectWritten(plan, s, errno, string(got))
						return
					}
					write(r, s, b)
					plan := arm(t, sys.Fault{Name: writing, Fd: a, Times: 2, Errno: errno})
					got := r.collect(s, b, len(written))
					r.expectWritten(plan, s, errno, string(got))
				})
			})
		})
	}
}

// expectWritten checks what has become of writes of which two calls were to fail.
func (r *rig) expectWritten(plan *sys.Plan, s pair, errno syscall.Errno, got string) {
	r.t.Helper()
	if waits(errno) {
		expectMet(r.t, plan, 2)
		if got != written {
			r.t.Errorf("the peer got %q", got)
		}
		for r.buffered[s] > 0 {
			r.turn(TurnPoll)
		}
		return
	}
	sys.Disarm()
	if got != "" {
		r.t.Errorf("the peer got %q, and the writer an error", got)
	}
	for user, w := range r.sent {
		failed := w.flags == FlagFailed && w.errno == errno
		released := w.flags == FlagQueued && w.released
		if !failed && !released {
			r.t.Errorf("Write %d: %+v", user, w)
		}
	}
	r.expectError(s, errno, FlagWrite)
}

func TestWriteComesBackShort(t *testing.T) {
	for way, write := range ways {
		for _, n := range []int{1, 7, 9, len(written) - 1} {
			t.Run(fmt.Sprint(way, " ", n), func(t *testing.T) {
				eachStream(t, func(t *testing.T, r *rig, s pair, a, b int) {
					before := write(r, s, b)
					plan := arm(t, sys.Fault{Name: writing, Fd: a, Times: sys.Always, N: n})
					got := r.collect(s, b, before+len(written))[before:]
					if string(got) != written {
						t.Errorf("the peer got %q", got)
					}
					if plan.Met() < 2 {
						t.Errorf("%d calls came back short", plan.Met())
					}
					sys.Disarm()
					for r.buffered[s] > 0 {
						r.turn(TurnPoll)
					}
				})
			})
		}
	}
}

// TestShutdownFails: an end of file that the system refuses is told as an error, as a Write is. ENOTCONN alone says
// that the connection has gone, which reading tells better.
func TestShutdownFails(t *testing.T) {
	for _, errno := range append(slices.Clone(errnos), syscall.ENOTCONN) {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			onEveryBackend(t, func(t *testing.T, r *rig) {
				a, b := socketPair(t)
				s := r.attach(a, 1)
				r.turn(0)
				plan := arm(t, sys.Fault{Name: "shutdown", Fd: a, Errno: errno})
				r.write(s, []byte("bye"))
				r.op(OpShutdown, s)
				r.turn(0)
				expectMet(t, plan, 1)
				if got, ended := drain(t, b); string(got) != "bye" || ended {
					t.Errorf("the peer got %q, end of file %v", got, ended)
				}
				if errno != syscall.ENOTCONN {
					r.expectError(s, errno, FlagWrite)
					return
				}
				put(t, b, []byte("still read"))
				if got := r.awaitData(s, len("still read")); string(got) != "still read" || r.count(Error, s) != 0 {
					t.Errorf("Data %q, %d errors", got, r.count(Error, s))
				}
			})
		})
	}
}

func TestCloseFails(t *testing.T) {
	eachErrno(t, func(t *testing.T, errno syscall.Errno) {
		eachStream(t, func(t *testing.T, r *rig, s pair, a, b int) {
			arm(t, sys.Fault{Name: "close", Fd: a, Errno: errno})
		})
	})
}

// TestStreamCannotBeWatched: the selector's refusal ends a stream, when it is attached and when it has bytes to write.
func TestStreamCannotBeWatched(t *testing.T) {
	for _, errno := range append(slices.Clone(errnos), syscall.ENOSPC) {
		if errno == syscall.EINTR || errno == syscall.EAGAIN {
			continue // no system says so
		}
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			for _, name := range []string{"attach", "write"} {
				t.Run(name, func(t *testing.T) {
					onEveryBackend(t, func(t *testing.T, r *rig) {
						a, b := socketPair(t)
						if r.Selector().Name() == "kqueue" {
							t.Skip("a change has the queue's descriptor")
						}
						s := r.attach(a, 1)
						r.turn(0)
						if name == "attach" {
							r.op(OpDetach, s)
							r.turn(0)
							s = r.attach(a, 2)
						} else {
							fill(t, a)
							r.write(s, []byte("all of "))
							r.write(s, []byte("it"))
						}
						plan := arm(t, sys.Fault{Name: registering, Fd: a, Errno: errno})
						r.turn(0)
						expectMet(t, plan, 1)
						r.expectError(s, errno, FlagRead)
						drain(t, b)
						r.quiet()
						if got, _ := drain(t, b); len(got) != 0 {
							t.Errorf("the peer got %q", got)
						}
						r.settled()
					})
				})
			}
		})
	}
}
