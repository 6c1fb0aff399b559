//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package loop

import (
	"syscall"
	"unsafe"

	"goloop/internal/sys"
)

// vector is the memory that gathering writes and accepts hand to the kernel.
type vector struct {
	iov    *[maxIovecs]sys.Iovec // nil until something is gathered
	length uint32
}

func (v *vector) set(i int, ptr uint64, n int64) {
	if v.iov == nil {
		v.iov = new([maxIovecs]sys.Iovec)
	}
	v.iov[i] = sys.Iovec{Base: ptr, Len: uint64(n)}
}

func (v *vector) send(fd int32, count int) (int, syscall.Errno) {
	return sys.Sendv(fd, &v.iov[0], count)
}

// accept takes one connection and leaves its peer's address in buf. The child of
// a fork between the two calls may inherit the descriptor: these systems have no
// accept4 in common.
func (v *vector) accept(fd int32, buf []byte) (int, int, syscall.Errno) {
	v.length = uint32(len(buf))
	got, errno := sys.Accept(fd, unsafe.Pointer(unsafe.SliceData(buf)), &v.length)
	if errno == 0 {
		sys.CloseOnExec(got)
		if err := sys.SetNonblock(got, true); err != nil {
			sys.Close(got)
			return -1, 0, syscall.EIO
		}
	}
	return got, int(v.length), errno
}
