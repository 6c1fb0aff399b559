//go:build unix

package loop

import (
	"encoding/binary"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connecting submits a Connect to address and returns its pair and User.
func (r *rig) connecting(fd int, generation uint32, sockaddr []byte) (pair, uint64) {
	r.user++
	r.chunks[r.user] = sockaddr // kept until the caller has its turn
	r.submit(Submission{
		Op: OpConnect, Fd: int32(fd), Generation: generation,
		Ptr: address(sockaddr), Len: int64(len(sockaddr)), User: r.user,
	})
	return pair{int32(fd), generation}, r.user
}

// rawInet4 is a struct sockaddr_in.
func rawInet4(a *unix.SockaddrInet4) []byte {
	raw := unix.RawSockaddrInet4{Addr: a.Addr}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unix.SizeofSockaddrInet4)
	family(b, unix.AF_INET)
	binary.BigEndian.PutUint16(b[2:], uint16(a.Port))
	return b
}

// family writes the head of a sockaddr, which has a length where BSD is.
func family(b []byte, family byte) {
	if runtime.GOOS == "linux" {
		binary.NativeEndian.PutUint16(b, uint16(family))
		return
	}
	b[0], b[1] = byte(len(b)), family
}

func TestConnect(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		server, address := listen(t, 1)
		p, user := r.connecting(tcpSocket(t), 3, rawInet4(address))
		if c := r.await(Connected, p); c.Res != 0 || c.User != user {
			t.Errorf("Connected %+v, want no error and User %d", c, user)
		}
		if r.Selector().Len() != 0 || r.lookup(p.fd, p.generation) != nil {
			t.Error("the descriptor is not the caller's again")
		}
		r.quiet()
		// A stream takes it over.
		s := r.attach(int(p.fd), 4)
		r.write(s, []byte("hi"))
		r.turn(0)
		fd, _, err := unix.Accept(server)
		if err != nil {
			t.Fatal(err)
		}
		own(t, fd)
		if got, _ := drain(t, fd); string(got) != "hi" {
			t.Errorf("the server got %q", got)
		}
	})
}

func TestConnectRefused(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		fd, address := listen(t, 1)
		closeFd(t, fd)
		p, user := r.connecting(tcpSocket(t), 1, rawInet4(address))
		if c := r.await(Connected, p); syscall.Errno(c.Res) != syscall.ECONNREFUSED || c.User != user {
			t.Errorf("Connected %+v, want ECONNREFUSED", c)
		}
		r.quiet()
	})
}

// TestConnectEndsAtOnce: what needs no wait is told all the same.
func TestConnectEndsAtOnce(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		name := filepath.Join(t.TempDir(), "s")
		server, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		own(t, server)
		if err := unix.Bind(server, &unix.SockaddrUnix{Name: name}); err != nil {
			t.Skip("bind:", err) // a temporary folder with a long name
		}
		if err := unix.Listen(server, 1); err != nil {
			t.Fatal(err)
		}
		raw := make([]byte, 2+len(name)+1)
		copy(raw[2:], name)
		family(raw, unix.AF_UNIX)
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		own(t, fd)
		p, _ := r.connecting(fd, 1, raw)
		r.now()
		if c := r.await(Connected, p); c.Res != 0 {
			t.Errorf("Connected %+v", c)
		}
		for _, fd := range []int{-1, 1 << 30} {
			p, user := r.connecting(fd, 1, raw)
			if c := r.await(Connected, p); syscall.Errno(c.Res) != syscall.EBADF || c.User != user {
				t.Errorf("Connect of descriptor %d: %+v, want EBADF", fd, c)
			}
		}
		r.quiet()
	})
}

// TestConnectCancelled: Detach before the end, and nothing more is told.
func TestConnectCancelled(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		_, address := listen(t, 1)
		p, _ := r.connecting(tcpSocket(t), 1, rawInet4(address))
		r.now()
		if r.Backlog() > 0 {
			t.Skip("this system connects over loopback at once")
		}
		r.op(OpDetach, p)
		r.quiet()
		if r.Selector().Len() != 0 {
			t.Error("a cancelled connect is still watched")
		}
		expectErrno(t, "a second Detach", r.errno(Submission{Op: OpDetach, Fd: p.fd, Generation: 1}), syscall.EBADF)

		p, _ = r.connecting(tcpSocket(t), 1, rawInet4(address))
		r.op(OpClose, p)
		r.quiet()
	})
}
