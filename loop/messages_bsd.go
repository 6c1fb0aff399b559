//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package loop

import (
	"syscall"

	"goloop/internal/sys"
)

// messages is the memory that datagrams hand to the kernel, one after the other.
type messages struct {
	message [maxMessages]message
}

type message struct {
	ptr, len, name uintptr
	nameLength     uint32
}

func newMessages() *messages { return &messages{} }

// set describes datagram i: n bytes at p, and an address of length bytes.
func (m *messages) set(i int, p uint64, n int64, address uint64, length int) {
	m.message[i] = message{ptr: uintptr(p), len: uintptr(n), name: uintptr(address), nameLength: uint32(length)}
}

// length is how many bytes datagram i was described with.
func (m *messages) length(i int) int { return int(m.message[i].len) }

// received is the size of datagram i and of its sender's address.
func (m *messages) received(i int) (size, length int) {
	return int(m.message[i].len), int(m.message[i].nameLength)
}

// receive fills up to count descriptions and returns how many, and the error of
// the one behind them.
func (m *messages) receive(fd int32, count int) (int, syscall.Errno) {
	for i := range count {
		d := &m.message[i]
		n, errno := sys.Recvfrom(fd, d.ptr, d.len, d.name, &d.nameLength)
		if errno != 0 {
			return i, errno
		}
		d.len = uintptr(n)
	}
	return count, 0
}

// send sends the first count descriptions and returns how many have left. The
// errno is the first one's.
func (m *messages) send(fd int32, count int) (int, syscall.Errno) {
	for i := range count {
		d := &m.message[i]
		if errno := sys.Sendto(fd, d.ptr, d.len, d.name, uintptr(d.nameLength)); errno != 0 {
			if i > 0 {
				return i, 0 // the next call tells it
			}
			return 0, errno
		}
	}
	return count, 0
}
