package loop

import (
	"syscall"
	"unsafe"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// vector is the memory that gathering writes and accepts hand to the kernel.
type vector struct {
	iov    *[maxIovecs]sys.Iovec // nil until something is gathered
	header unix.Msghdr
	length uint32
}

func (v *vector) set(i int, ptr uint64, n int64) {
	if v.iov == nil {
		v.iov = new([maxIovecs]sys.Iovec)
	}
	v.iov[i] = sys.Iovec{Base: ptr, Len: uint64(n)}
}

// send writes the first count vectors to a socket without raising SIGPIPE.
func (v *vector) send(fd int32, count int) (int, syscall.Errno) {
	v.header.Iov = (*unix.Iovec)(unsafe.Pointer(&v.iov[0]))
	v.header.SetIovlen(count)
	return sys.Sendmsg(fd, &v.header)
}

// accept takes one connection and leaves its peer's address in buf.
func (v *vector) accept(fd int32, buf []byte) (int, int, syscall.Errno) {
	v.length = uint32(len(buf))
	got, errno := sys.Accept4(fd, unsafe.Pointer(unsafe.SliceData(buf)), &v.length)
	return got, int(v.length), errno
}
