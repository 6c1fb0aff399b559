//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// bulk sends without end, or receives without end. Both directions carry the bytes 0, 1 … 250, 0, 1 … from the first byte
// on. A sink answers the end of an upload with the number of bytes it saw, 8 bytes in little endian.
type bulk struct {
	opt    *options
	m      *meter
	upload bool
	fds    []int
	at     []uint64 // bytes transferred on each connection since it was opened
	buffer []byte
}

func newUpload(opt *options, m *meter) traffic {
	return &bulk{opt: opt, m: m, upload: true, buffer: pattern(opt.size + period)}
}

func newDownload(opt *options, m *meter) traffic {
	return &bulk{opt: opt, m: m, buffer: make([]byte, readSize)}
}

func (b *bulk) open(p *poller) error {
	sa, err := resolve(b.opt.addr)
	if err != nil {
		return err
	}
	events := uint32(unix.EPOLLIN)
	if b.upload {
		events |= unix.EPOLLOUT
	}
	b.at = make([]uint64, b.opt.conns)
	for i := range b.opt.conns {
		fd, err := dial(sa)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		b.fds = append(b.fds, fd)
		if err := p.add(fd, i, events); err != nil {
			return err
		}
	}
	return nil
}

func (b *bulk) ready(i int, events uint32) error {
	var n int
	var errno unix.Errno
	switch {
	case b.upload && events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0:
		return fmt.Errorf("the server closed connection %d early", i)
	case b.upload:
		from := int(b.at[i] % period)
		n, errno = write(b.fds[i], b.buffer[from:from+b.opt.size])
	default:
		n, errno = read(b.fds[i], b.buffer)
		if n == 0 && errno == 0 {
			return fmt.Errorf("the server closed connection %d early", i)
		}
		if n > 0 && (b.buffer[0] != byte(b.at[i]%period) || b.buffer[n-1] != byte((b.at[i]+uint64(n)-1)%period)) {
			b.m.fail("connection %d: wrong bytes at %d", i, b.at[i])
			b.at[i] = uint64(b.buffer[0]) // follow the stream: count a loss once
		}
	}
	if errno == unix.EAGAIN {
		return nil
	}
	if errno != 0 {
		return os.NewSyscallError("transfer", errno)
	}
	b.at[i] += uint64(n)
	b.m.count(i, n)
	return nil
}

// close ends the uploads and compares what was sent with what the sink saw.
func (b *bulk) close() error {
	for i, fd := range b.fds {
		if b.upload {
			if err := b.settle(fd, b.at[i]); err != nil {
				b.m.fail("connection %d: %v", i, err)
			}
		}
		unix.Close(fd)
	}
	return nil
}

func (b *bulk) settle(fd int, sent uint64) error {
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return os.NewSyscallError("shutdown", err)
	}
	var answer [8]byte
	if err := readFull(fd, answer[:]); err != nil {
		return fmt.Errorf("no count from the server: %w", err)
	}
	if seen := binary.LittleEndian.Uint64(answer[:]); seen != sent {
		return fmt.Errorf("sent %d bytes, the server saw %d", sent, seen)
	}
	return nil
}
