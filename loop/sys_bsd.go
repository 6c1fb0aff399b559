//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Non-blocking system calls by number, so that buffers are addresses. A write
// to a closed peer raises SIGPIPE here, which CPython ignores.

func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

func sysRecv(fd int32, p uintptr, n int) (int, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), p, uintptr(n))
	return int(r), errno
}

func sysSend(fd int32, p uintptr, n int) (int, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), p, uintptr(n))
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
	length uint32
}

func (v *vector) set(i int, ptr uint64, n int64) { v.iov[i] = iovec{ptr, uint64(n)} }

func (v *vector) send(fd int32, count int) (int, syscall.Errno) {
	r, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&v.iov[0])), uintptr(count))
	return int(r), errno
}

// accept takes one connection and leaves its peer's address in buf. The child of
// a fork between the two calls may inherit the descriptor: these systems have no
// accept4 in common.
func (v *vector) accept(fd int32, buf []byte) (int, int, syscall.Errno) {
	v.length = uint32(len(buf))
	r, _, errno := syscall.RawSyscall(syscall.SYS_ACCEPT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(unsafe.Pointer(&v.length)))
	if errno == 0 {
		syscall.CloseOnExec(int(r))
		if err := syscall.SetNonblock(int(r), true); err != nil {
			syscall.Close(int(r))
			return -1, 0, syscall.EIO
		}
	}
	return int(r), int(v.length), errno
}
