package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Non-blocking system calls by number, so that buffers are addresses and the
// scheduler is not told of calls that cannot wait.

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// sysRecv receives from a socket, which is cheaper than read(2) of one.
func sysRecv(fd int32, p uintptr, n int) (int, syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), p, uintptr(n), 0, 0, 0)
	return int(r), errno
}

// sysSend writes to a socket without raising SIGPIPE.
func sysSend(fd int32, p uintptr, n int) (int, syscall.Errno) {
	r, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), p, uintptr(n), syscall.MSG_NOSIGNAL, 0, 0)
	return int(r), errno
}

// iovec is struct iovec with its base as an address.
type iovec struct {
	base uint64
	len  uint64
}

// vector is the memory that gathering writes and accepts hand to the kernel.
type vector struct {
	iov    [maxIovecs]iovec
	header unix.Msghdr
	length uint32
}

func (v *vector) set(i int, ptr uint64, n int64) { v.iov[i] = iovec{ptr, uint64(n)} }

// send writes the first count vectors to a socket without raising SIGPIPE.
func (v *vector) send(fd int32, count int) (int, syscall.Errno) {
	v.header.Iov = (*unix.Iovec)(unsafe.Pointer(&v.iov[0]))
	v.header.SetIovlen(count)
	r, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&v.header)), syscall.MSG_NOSIGNAL)
	return int(r), errno
}

// accept takes one connection and leaves its peer's address in buf.
func (v *vector) accept(fd int32, buf []byte) (int, int, syscall.Errno) {
	v.length = uint32(len(buf))
	r, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(unsafe.Pointer(&v.length)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
	return int(r), int(v.length), errno
}
