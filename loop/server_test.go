//go:build unix

package loop

import (
	"encoding/binary"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listening starts accepting on fd.
func (r *rig) listening(fd, batch int) pair {
	r.t.Helper()
	s := Submission{Op: OpListen, Fd: int32(fd), Generation: 1, Len: int64(batch)}
	expectErrno(r.t, "Listen", r.errno(s), 0)
	return pair{int32(fd), 1}
}

func TestAccept(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, address := listen(t, 16)
		l := r.listening(fd, 4)
		clients := map[int]bool{} // by port
		for range 10 {
			name, err := unix.Getsockname(dial(t, address))
			if err != nil {
				t.Fatal(err)
			}
			clients[name.(*unix.SockaddrInet4).Port] = true
		}
		var turns []int
		for n := 0; n < 10; {
			got := r.turn(TurnWait)
			if n += len(got); len(got) > 0 {
				turns = append(turns, len(got))
			}
			for _, c := range got {
				if c.Kind != Accepted || c.Fd != l.fd || c.Generation != l.generation {
					t.Fatalf("unexpected %+v", c)
				}
				own(t, int(c.Res))
				if flags, err := unix.FcntlInt(uintptr(c.Res), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 {
					t.Errorf("an accepted socket is blocking (%v)", err)
				}
				if flags, err := unix.FcntlInt(uintptr(c.Res), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("an accepted socket is inherited by a new program (%v)", err)
				}
				at := c.Ptr - uint64(uintptr(unsafe.Pointer(&r.arena[0])))
				name := r.arena[at : at+uint64(c.Len)]
				if port := int(binary.BigEndian.Uint16(name[2:])); !clients[port] {
					t.Errorf("accepted from port %d, which is no client's or was accepted before", port)
				} else {
					delete(clients, port)
				}
			}
		}
		if len(turns) < 3 || turns[0] > 4 {
			t.Errorf("batches of %v, want 4 at most", turns)
		}
		r.quiet()
		r.op(OpClose, l)
		r.quiet()
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("after Close the listener is open (%v)", err)
		}
	})
}

func TestListenRefused(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		for _, fd := range []int32{-1, 1 << 30} {
			expectErrno(t, "Listen", r.errno(Submission{Op: OpListen, Fd: fd, Generation: 1}), syscall.EBADF)
		}
		a, _ := socketPair(t)
		closeFd(t, a)
		expectErrno(t, "Listen on a closed descriptor", r.errno(Submission{Op: OpListen, Fd: int32(a), Generation: 1}), syscall.EBADF)
		r.quiet()

		fd, _ := listen(t, 1) // a connected socket is no listener
		l := r.listening(fd, 1)
		r.op(OpDetach, l)
		a, b := socketPair(t)
		l = r.listening(a, 1)
		put(t, b, []byte("x"))
		if c := r.await(AcceptFailed, l); syscall.Errno(c.Res) != syscall.EINVAL || c.Flags != 0 {
			t.Errorf("accept from a stream: %+v, want EINVAL", c)
		}
	})
}

// TestAcceptWithoutDescriptors runs the test below in a process of its own, for
// the limit is the whole process's.
func TestAcceptWithoutDescriptors(t *testing.T) {
	if os.Getenv("GOLOOP_TEST_LIMIT") == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(self, "-test.run=^TestAcceptWithoutDescriptors$")
		child.Env = append(os.Environ(), "GOLOOP_TEST_LIMIT=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, address := listen(t, 4)
		l := r.listening(fd, 4)
		dial(t, address)
		var old unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		free, err := unix.Dup(fd) // the lowest number that is free
		if err != nil {
			t.Fatal(err)
		}
		closeFd(t, free)
		limit := old
		for limit.Cur = 0; int(limit.Cur) < free; limit.Cur++ { // its type differs by system
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		c := r.await(AcceptFailed, l)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
		if syscall.Errno(c.Res) != syscall.EMFILE || c.Flags != FlagBackoff {
			t.Errorf("%+v, want EMFILE and a rest", c)
		}
		r.quiet() // it rests
		rest := time.Duration(r.Deadline() - r.Now())
		if rest <= 0 || rest > backoffTime {
			t.Errorf("a rest of %v, want a second", rest)
		}
		r.timers.heap.Items[0].when = r.Now() // it is over
		own(t, int(r.await(Accepted, l).Res))
		if r.Stats().TimersFired != 0 {
			t.Error("the engine's own timer is counted")
		}

		// A listener that goes while it rests: its timer finds nobody, or another.
		for _, next := range []func(){
			func() { r.op(OpDetach, l) },
			func() {
				r.submit(Submission{Op: OpWatch, Flags: FlagRead, Fd: l.fd, Generation: 2})
			},
		} {
			r.timers.push(r.Now(), uint32(l.fd), 0)
			next()
			r.quiet()
		}
		r.timers.push(r.Now(), 1<<20, 0)
		r.timers.push(r.Now(), 1<<31, 0)
		r.quiet()
	})
}
