//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package loop

import (
	"syscall"
	"unsafe"
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
		r, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), d.ptr, d.len, syscall.MSG_DONTWAIT, d.name,
			uintptr(unsafe.Pointer(&d.nameLength)))
		if errno != 0 {
			return i, errno
		}
		d.len = r
	}
	return count, 0
}

// send sends the first count descriptions and returns how many have left. The
// errno is the first one's.
func (m *messages) send(fd int32, count int) (int, syscall.Errno) {
	for i := range count {
		d := &m.message[i]
		_, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), d.ptr, d.len, syscall.MSG_DONTWAIT, d.name,
			uintptr(d.nameLength))
		if errno != 0 {
			if i > 0 {
				return i, 0 // the next call tells it
			}
			return 0, errno
		}
	}
	return count, 0
}
