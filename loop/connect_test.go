//go:build unix

package loop

import (
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// connecting submits a Connect of a socket and returns it as the engine leaves it.
func (r *rig) connecting(fd int, sockaddr []byte) Submission {
	r.t.Helper()
	r.submit(Submission{Op: OpConnect, Fd: int32(fd), Ptr: address(sockaddr), Len: int64(len(sockaddr))})
	sq := r.now()
	return sq[len(sq)-1]
}

// outcome is how the connect of fd ends that s is the beginning of.
func (r *rig) outcome(fd int, s Submission) syscall.Errno {
	r.t.Helper()
	if s.Res != int32(syscall.EINPROGRESS) {
		return syscall.Errno(s.Res)
	}
	p := pair{int32(fd), 1}
	r.submit(watchOf(fd, p.generation, FlagWrite))
	r.await(WatchReady, p)
	r.op(OpDetach, p)
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		r.t.Fatal(err)
	}
	return syscall.Errno(errno)
}

func TestConnect(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		server, address := listen(t, 1)
		ours := tcpSocket(t)
		s := r.connecting(ours, rawInet4(address))
		if runtime.GOOS == "linux" && s.Res != 0 {
			t.Error("over loopback the connection is there at once, and Connect says", syscall.Errno(s.Res))
		}
		expectErrno(t, "the connect", r.outcome(ours, s), 0)
		stream := r.attach(ours, 4)
		r.write(stream, []byte("hi"))
		r.turn(0)
		peer, _, err := unix.Accept(server)
		if err != nil {
			t.Fatal(err)
		}
		own(t, peer)
		if got, _ := drain(t, peer); string(got) != "hi" {
			t.Errorf("the server got %q", got)
		}
	})
}

func TestConnectRefused(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		server, address := listen(t, 1)
		closeFd(t, server)
		ours := tcpSocket(t)
		s := r.connecting(ours, rawInet4(address))
		expectErrno(t, "the connect", r.outcome(ours, s), syscall.ECONNREFUSED)
	})
}

// TestConnectUnderWay: the listener's queue is full, until something is accepted.
func TestConnectUnderWay(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		_, address := listen(t, 0)
		for range 3 {
			dial(t, address)
		}
		ours := tcpSocket(t)
		s := r.connecting(ours, rawInet4(address))
		expectErrno(t, "Connect", syscall.Errno(s.Res), syscall.EINPROGRESS)
		expectErrno(t, "Watch", r.errno(watchOf(ours, 1, FlagWrite)), 0)
		r.quiet()
	})
}

func TestConnectThatCannotBegin(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		_, address := listen(t, 1)
		connected := dial(t, address)
		for _, c := range []struct {
			fd   int
			want syscall.Errno
		}{{-1, syscall.EBADF}, {1 << 30, syscall.EBADF}, {connected, 0}, {connected, syscall.EISCONN}} {
			s := r.connecting(c.fd, rawInet4(address))
			expectErrno(t, "Connect", syscall.Errno(s.Res), c.want)
		}
	})
}
