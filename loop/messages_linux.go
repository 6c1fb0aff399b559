package loop

import (
	"syscall"
	"unsafe"

	"goloop/internal/sys"
)

// messages is the memory that datagrams hand to the kernel, many at once.
type messages struct {
	header [maxMessages]mmsghdr
	iov    [maxMessages]struct{ base, len uintptr }
}

// msghdr and mmsghdr are the kernel's structs, with addresses as numbers.
type msghdr struct {
	name                uintptr
	nameLength          uint32
	iov, iovLength      uintptr
	control, controlLen uintptr
	flags               int32
}

type mmsghdr struct {
	msghdr
	length uint32
}

func newMessages() *messages {
	m := &messages{}
	for i := range m.header {
		m.header[i].iov = uintptr(unsafe.Pointer(&m.iov[i]))
		m.header[i].iovLength = 1
	}
	return m
}

// set describes datagram i: n bytes at p, and an address of length bytes.
func (m *messages) set(i int, p uint64, n int64, address uint64, length int) {
	m.iov[i].base, m.iov[i].len = uintptr(p), uintptr(n)
	m.header[i].name, m.header[i].nameLength = uintptr(address), uint32(length)
}

// length is how many bytes datagram i was described with.
func (m *messages) length(i int) int { return int(m.iov[i].len) }

// received is the size of datagram i and of its sender's address.
func (m *messages) received(i int) (size, length int) {
	return int(m.header[i].length), int(m.header[i].nameLength)
}

// receive fills up to count descriptions and returns how many, and the error of
// the one behind them.
func (m *messages) receive(fd int32, count int) (int, syscall.Errno) {
	n, errno := sys.Recvmmsg(fd, unsafe.Pointer(&m.header[0]), count)
	if errno != 0 {
		return 0, errno
	}
	return n, 0
}

// send sends the first count descriptions and returns how many have left. The
// errno is the first one's.
func (m *messages) send(fd int32, count int) (int, syscall.Errno) {
	if count == 1 {
		h := &m.header[0]
		return 1, sys.Sendto(fd, m.iov[0].base, m.iov[0].len, h.name, uintptr(h.nameLength))
	}
	return sys.Sendmmsg(fd, unsafe.Pointer(&m.header[0]), count)
}
