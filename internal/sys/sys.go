//go:build unix

// Package sys is the edge between the engine and the system: every system call of packages
// selector, loop, unixevents, internal/batch, internal/hosts and internal/mapped is one of these functions, named as the call.
//
// Each is the call and no more. Built with the tag faults, each asks first what a test
// wants of it (Inject): to fail with an errno, or to come back short. Without the tag
// the question is a constant, and the compiler leaves nothing of it.
//
// Buffers are addresses where the engine knows them as such. Calls that cannot wait do not
// tell Go's scheduler; those of which the comment says so do.
package sys

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Caller makes a system call by its number: syscall.Syscall6, syscall.RawSyscall6 and their like.
type Caller func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, errno syscall.Errno)

// Iovec is struct iovec with its base as an address.
type Iovec struct{ Base, Len uint64 }

// Request asks of n bytes that one request among several in a ring wants to move, as a call
// of its own would.
func Request(name string, fd int32, n int) (int, syscall.Errno) {
	if Faults {
		return ask(name, int(fd), n)
	}
	return n, 0
}

// Monotonic is CLOCK_MONOTONIC in nanoseconds. It cannot fail.
func Monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// Read is read(2) into b. The scheduler is told.
func Read(fd int, b []byte) (int, error) {
	if Faults {
		n, errno := ask("read", fd, len(b))
		if errno != 0 {
			return -1, errno
		}
		b = b[:n]
	}
	return unix.Read(fd, b)
}

// Write is write(2) of b. The scheduler is told.
func Write(fd int, b []byte) (int, error) {
	if Faults {
		n, errno := ask("write", fd, len(b))
		if errno != 0 {
			return -1, errno
		}
		b = b[:n]
	}
	return unix.Write(fd, b)
}

// ReadTo is read(2) of up to n bytes to address p. The scheduler is told.
func ReadTo(fd int32, p uintptr, n int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if n, errno = ask("read", int(fd), n); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.Syscall(syscall.SYS_READ, uintptr(fd), p, uintptr(n))
	return int(r), errno
}

// WriteFrom is write(2) of n bytes from address p. The scheduler is told.
func WriteFrom(fd int32, p uintptr, n int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if n, errno = ask("write", int(fd), n); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.Syscall(syscall.SYS_WRITE, uintptr(fd), p, uintptr(n))
	return int(r), errno
}

// Writev is writev(2) of count vectors. The scheduler is told.
func Writev(fd int32, v *Iovec, count int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if v, count, errno = askVector("writev", int(fd), v, count); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(v)), uintptr(count))
	return int(r), errno
}

// Connect is connect(2) to the n bytes of an address at p. One that is to fail with EINTR
// has begun.
func Connect(fd int32, p uintptr, n int) syscall.Errno {
	if Faults {
		if _, errno := ask("connect", int(fd), n); errno == syscall.EINTR {
			_, _, _ = syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), p, uintptr(n))
			return errno
		} else if errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), p, uintptr(n))
	return errno
}

// Getpeername is getpeername(2).
func Getpeername(fd int32, name *unix.RawSockaddrAny, size *uint32) syscall.Errno {
	if Faults {
		if _, errno := ask("getpeername", int(fd), 0); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(size)))
	return errno
}

// Getsockname is getsockname(2).
func Getsockname(fd int) (syscall.Sockaddr, error) {
	if Faults {
		if _, errno := ask("getsockname", fd, 0); errno != 0 {
			return nil, errno
		}
	}
	return syscall.Getsockname(fd)
}

// Shutdown is shutdown(2).
func Shutdown(fd, how int) error {
	if Faults {
		if _, errno := ask("shutdown", fd, 0); errno != 0 {
			return errno
		}
	}
	return syscall.Shutdown(fd, how)
}

// Close is close(2), which frees fd whatever it returns.
func Close(fd int) error {
	if Faults {
		if _, errno := ask("close", fd, 0); errno != 0 {
			_ = unix.Close(fd)
			return errno
		}
	}
	return unix.Close(fd)
}

// FcntlInt is fcntl(2) with a number for its argument.
func FcntlInt(fd uintptr, cmd, arg int) (int, error) {
	if Faults {
		if _, errno := ask("fcntl", int(fd), 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.FcntlInt(fd, cmd, arg)
}

// Fstat is fstat(2).
func Fstat(fd int, status *unix.Stat_t) error {
	if Faults {
		if _, errno := ask("fstat", fd, 0); errno != 0 {
			return errno
		}
	}
	return unix.Fstat(fd, status)
}

// Stat is stat(2). The scheduler is told.
func Stat(path string, status *unix.Stat_t) error {
	if Faults {
		if _, errno := ask("stat", -1, 0); errno != 0 {
			return errno
		}
	}
	return unix.Stat(path, status)
}

// Open is open(2) of what there is. The scheduler is told.
func Open(path string, flags int) (int, error) {
	if Faults {
		if _, errno := ask("open", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.Open(path, flags, 0)
}

// Poll is poll(2). The scheduler is told.
func Poll(fds []unix.PollFd, ms int) (int, error) {
	if Faults {
		if _, errno := ask("poll", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.Poll(fds, ms)
}

// Select is select(2). The scheduler is told.
func Select(n int, r, w, e *unix.FdSet, timeout *unix.Timeval) (int, error) {
	if Faults {
		if _, errno := ask("select", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.Select(n, r, w, e, timeout)
}

// Wait4 is wait4(2). The scheduler is told.
func Wait4(pid int, status *syscall.WaitStatus, options int) (int, error) {
	if Faults {
		if _, errno := ask("wait4", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return syscall.Wait4(pid, status, options, nil)
}

// Kill is kill(2).
func Kill(pid int, sig syscall.Signal) error {
	if Faults {
		if _, errno := ask("kill", -1, 0); errno != 0 {
			return errno
		}
	}
	return syscall.Kill(pid, sig)
}

// Mmap is mmap(2).
func Mmap(fd int, offset int64, length, prot, flags int) ([]byte, error) {
	if Faults {
		if _, errno := ask("mmap", fd, 0); errno != 0 {
			return nil, errno
		}
	}
	return unix.Mmap(fd, offset, length, prot, flags)
}

// Munmap is munmap(2) of what Mmap gave.
func Munmap(b []byte) error {
	if Faults {
		if _, errno := ask("munmap", -1, 0); errno != 0 {
			_ = unix.Munmap(b)
			return errno
		}
	}
	return unix.Munmap(b)
}
