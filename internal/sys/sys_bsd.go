//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ClockSource is known of Linux only.
func ClockSource() string { return "" }

// SendRoom is known of Linux only.
func SendRoom(int32) int64 { return -1 }

// Recv is recv(2) of up to n bytes to address p. It never waits, though another process may have made the socket blocking.
func Recv(fd int32, p uintptr, n int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if n, errno = ask("recv", int(fd), n); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), p, uintptr(n), syscall.MSG_DONTWAIT, 0, 0)
	return int(r), errno
}

// Send is send(2) of n bytes from address p. To a closed peer it raises SIGPIPE, which CPython
// ignores.
func Send(fd int32, p uintptr, n int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if n, errno = ask("send", int(fd), n); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), p, uintptr(n))
	return int(r), errno
}

// Sendv is Send of count vectors.
func Sendv(fd int32, v *Iovec, count int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if v, count, errno = askVector("sendmsg", int(fd), v, count); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(v)), uintptr(count))
	return int(r), errno
}

// Recvfrom is recvfrom(2) of one datagram, without waiting.
func Recvfrom(fd int32, p, n, name uintptr, nameLength *uint32) (int, syscall.Errno) {
	if Faults {
		if _, errno := ask("recvmmsg", int(fd), 1); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), p, n, syscall.MSG_DONTWAIT, name,
		uintptr(unsafe.Pointer(nameLength)))
	return int(r), errno
}

// Sendto is sendto(2) of one datagram, which leaves whole or not at all.
func Sendto(fd int32, p, n, name, nameLength uintptr) syscall.Errno {
	if Faults {
		if _, errno := ask("sendto", int(fd), 1); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), p, n, syscall.MSG_DONTWAIT, name, nameLength)
	return errno
}

// Accept is accept(2).
func Accept(fd int32, name unsafe.Pointer, size *uint32) (int, syscall.Errno) {
	if Faults {
		if _, errno := ask("accept", int(fd), 0); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall(syscall.SYS_ACCEPT, uintptr(fd), uintptr(name), uintptr(unsafe.Pointer(size)))
	return int(r), errno
}

// Pipe is pipe(2).
func Pipe(p []int) error {
	if Faults {
		if _, errno := ask("pipe2", -1, 0); errno != 0 {
			return errno
		}
	}
	return unix.Pipe(p)
}

// CloseOnExec sets FD_CLOEXEC.
func CloseOnExec(fd int) { unix.CloseOnExec(fd) }

// SetNonblock sets O_NONBLOCK.
func SetNonblock(fd int, nonblocking bool) error {
	if Faults {
		if _, errno := ask("fcntl", fd, 0); errno != 0 {
			return errno
		}
	}
	return unix.SetNonblock(fd, nonblocking)
}

// Kqueue is kqueue(2).
func Kqueue() (int, error) {
	if Faults {
		if _, errno := ask("kqueue", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.Kqueue()
}

// Kevent is kevent(2). Changes that are to fail with EINTR have been made. The scheduler is told.
func Kevent(kq int, changes, events []unix.Kevent_t, timeout *unix.Timespec) (int, error) {
	if Faults {
		name := "kevent"
		if len(changes) > 0 {
			name = "kevent change"
		}
		if _, errno := ask(name, kq, 0); errno != 0 {
			if errno == syscall.EINTR && len(changes) > 0 {
				_, _ = unix.Kevent(kq, changes, nil, nil)
			}
			return -1, errno
		}
	}
	return unix.Kevent(kq, changes, events, timeout)
}
