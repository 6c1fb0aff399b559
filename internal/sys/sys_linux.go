package sys

import (
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ClockSource is what the kernel makes CLOCK_MONOTONIC of; empty when it does not tell.
func ClockSource() string {
	fd, err := unix.Open("/sys/devices/system/clocksource/clocksource0/current_clocksource", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	name := make([]byte, 64)
	n, err := unix.Read(fd, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name[:n]))
}

// Recv is recv(2) of up to n bytes to address p, which is cheaper than read(2) of a socket. It never waits, though another process
// may have made the socket blocking.
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

// Send is send(2) of n bytes from address p, without waiting and without SIGPIPE.
func Send(fd int32, p uintptr, n int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if n, errno = ask("send", int(fd), n); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), p, uintptr(n), syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT, 0, 0)
	return int(r), errno
}

// SendRoom is for how many bytes a socket has room, by the kernel's count of whole buffers; below zero where it does not tell.
func SendRoom(fd int32) int64 {
	if Faults {
		if _, errno := ask("getsockopt", int(fd), 1); errno != 0 {
			return -1
		}
	}
	const allocated, limit, queued = 2, 3, 5
	var fields [9]uint32
	size := uint32(unsafe.Sizeof(fields))
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&fields)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return -1
	}
	return int64(fields[limit]) - int64(max(fields[allocated], fields[queued]))
}

// Sendto is sendto(2) of one datagram, which leaves whole or not at all.
func Sendto(fd int32, p, n, name, nameLength uintptr) syscall.Errno {
	if Faults {
		if _, errno := ask("sendto", int(fd), 1); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), p, n, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT, name, nameLength)
	return errno
}

// Sendmsg is sendmsg(2) to a connected socket, without waiting and without SIGPIPE.
func Sendmsg(fd int32, h *unix.Msghdr) (int, syscall.Errno) {
	if Faults {
		v, count, errno := askVector("sendmsg", int(fd), (*Iovec)(unsafe.Pointer(h.Iov)), int(h.Iovlen))
		if errno != 0 {
			return -1, errno
		}
		h.Iov = (*unix.Iovec)(unsafe.Pointer(v))
		h.SetIovlen(count)
	}
	r, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
	return int(r), errno
}

// Recvmmsg is recvmmsg(2) into count headers, without waiting.
func Recvmmsg(fd int32, headers unsafe.Pointer, count int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if count, errno = ask("recvmmsg", int(fd), count); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(headers), uintptr(count), syscall.MSG_DONTWAIT, 0, 0)
	return int(r), errno
}

// Sendmmsg is sendmmsg(2) of count headers, without waiting and without SIGPIPE.
func Sendmmsg(fd int32, headers unsafe.Pointer, count int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if count, errno = ask("sendmmsg", int(fd), count); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(headers), uintptr(count),
		syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT, 0, 0)
	return int(r), errno
}

// Accept4 is accept4(2) of a non-blocking descriptor that is closed on exec.
func Accept4(fd int32, name unsafe.Pointer, size *uint32) (int, syscall.Errno) {
	if Faults {
		if _, errno := ask("accept", int(fd), 0); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(name), uintptr(unsafe.Pointer(size)),
		syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	return int(r), errno
}

// EpollCreate1 is epoll_create1(2).
func EpollCreate1(flags int) (int, error) {
	if Faults {
		if _, errno := ask("epoll_create1", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.EpollCreate1(flags)
}

// EpollCtl is epoll_ctl(2).
func EpollCtl(epfd, op, fd int, ev *unix.EpollEvent) error {
	if Faults {
		if _, errno := ask(epollCtlNames[op], fd, 0); errno != 0 {
			return errno
		}
	}
	return unix.EpollCtl(epfd, op, fd, ev)
}

// epollCtlNames tells a test's faults the operations apart.
var epollCtlNames = [...]string{
	unix.EPOLL_CTL_ADD: "epoll_ctl add",
	unix.EPOLL_CTL_DEL: "epoll_ctl del",
	unix.EPOLL_CTL_MOD: "epoll_ctl mod",
}

// EpollPwait is epoll_wait(2) for up to limit events.
func EpollPwait(by Caller, epfd int, events *unix.EpollEvent, limit, ms int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if limit, errno = ask("epoll_wait", epfd, limit); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := by(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(events)), uintptr(limit), uintptr(ms), 0, 0)
	return int(r), errno
}

// EpollPwait2 is epoll_pwait2(2) for up to limit events; timeout is a struct __kernel_timespec.
func EpollPwait2(by Caller, epfd int, events *unix.EpollEvent, limit int, timeout *[2]int64) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if limit, errno = ask("epoll_pwait2", epfd, limit); errno != 0 {
			return -1, errno
		}
	}
	r, _, errno := by(unix.SYS_EPOLL_PWAIT2, uintptr(epfd), uintptr(unsafe.Pointer(events)), uintptr(limit),
		uintptr(unsafe.Pointer(timeout)), 0, 0)
	return int(r), errno
}

// Dup3 is dup3(2).
func Dup3(from, to, flags int) error {
	if Faults {
		if _, errno := ask("dup3", from, 0); errno != 0 {
			return errno
		}
	}
	return unix.Dup3(from, to, flags)
}

// Eventfd is eventfd2(2).
func Eventfd(value uint, flags int) (int, error) {
	if Faults {
		if _, errno := ask("eventfd", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.Eventfd(value, flags)
}

// Pipe2 is pipe2(2).
func Pipe2(p []int, flags int) error {
	if Faults {
		if _, errno := ask("pipe2", -1, 0); errno != 0 {
			return errno
		}
	}
	return unix.Pipe2(p, flags)
}

// Futex is futex(2) without a timeout. It neither grows the stack nor asks for faults: its caller
// may hold no processor of Go's scheduler, and takes every result for a wake-up.
//
//go:nosplit
func Futex(word *atomic.Uint32, op, value uintptr) {
	_, _, _ = syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), op, value, 0, 0, 0)
}

// SchedYield is sched_yield(2). It returns at once where nobody waits for the processor, and else after others have run, so it tells
// Go's scheduler.
func SchedYield() { _, _, _ = syscall.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// PidfdOpen is pidfd_open(2).
func PidfdOpen(pid, flags int) (int, error) {
	if Faults {
		if _, errno := ask("pidfd_open", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	return unix.PidfdOpen(pid, flags)
}

// PidfdSendSignal is pidfd_send_signal(2).
func PidfdSendSignal(fd int, sig syscall.Signal) error {
	if Faults {
		if _, errno := ask("pidfd_send_signal", fd, 0); errno != 0 {
			return errno
		}
	}
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// Waitid is waitid(2). The scheduler is told.
func Waitid(idType, id int, info *unix.Siginfo, options int) error {
	if Faults {
		name := "waitid"
		if idType == unix.P_PIDFD {
			name = "waitid pidfd"
		}
		if _, errno := ask(name, -1, 0); errno != 0 {
			return errno
		}
	}
	return unix.Waitid(idType, id, info, options, nil)
}

// IoUringSetup is io_uring_setup(2). The scheduler is told.
func IoUringSetup(entries int, parameters unsafe.Pointer) (int, syscall.Errno) {
	if Faults {
		if _, errno := ask("io_uring_setup", -1, 0); errno != 0 {
			return -1, errno
		}
	}
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(parameters), 0)
	return int(fd), errno
}

// IoUringEnter is io_uring_enter(2).
func IoUringEnter(fd, submit, wait int, flags uintptr) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if submit, errno = ask("io_uring_enter", fd, submit); errno != 0 {
			return -1, errno
		}
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), uintptr(wait), flags, 0, 0)
	return int(n), errno
}

// IoSetup is io_setup(2) for one request at a time; context is where the address of what it makes goes. The scheduler is told.
func IoSetup(context unsafe.Pointer) syscall.Errno {
	if Faults {
		if _, errno := ask("io_setup", -1, 0); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.Syscall(unix.SYS_IO_SETUP, 1, uintptr(context), 0)
	return errno
}

// IoSubmit is io_submit(2) of one request about fd.
func IoSubmit(context unsafe.Pointer, fd int, request *unsafe.Pointer) syscall.Errno {
	if Faults {
		if _, errno := ask("io_submit", fd, 0); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_IO_SUBMIT, uintptr(context), 1, uintptr(unsafe.Pointer(request)))
	return errno
}

// IoCancel is io_cancel(2).
func IoCancel(context, request, result unsafe.Pointer) syscall.Errno {
	if Faults {
		if _, errno := ask("io_cancel", -1, 0); errno != 0 {
			return errno
		}
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_IO_CANCEL, uintptr(context), uintptr(request), uintptr(result))
	return errno
}

// IoGetevents is io_getevents(2) of up to limit results that there are, without waiting.
func IoGetevents(context, results unsafe.Pointer, limit int) (int, syscall.Errno) {
	if Faults {
		var errno syscall.Errno
		if limit, errno = ask("io_getevents", -1, limit); errno != 0 {
			return -1, errno
		}
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_IO_GETEVENTS, uintptr(context), 0, uintptr(limit), uintptr(results), 0, 0)
	return int(n), errno
}

// Madvise is madvise(2).
func Madvise(b []byte, advice int) error {
	if Faults {
		if _, errno := ask("madvise", -1, 0); errno != 0 {
			return errno
		}
	}
	return unix.Madvise(b, advice)
}

// Mremap is mremap(2) of what Mmap gave.
func Mremap(b []byte, length, flags int) ([]byte, error) {
	if Faults {
		if _, errno := ask("mremap", -1, 0); errno != 0 {
			return nil, errno
		}
	}
	return unix.Mremap(b, length, flags)
}
