//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// datagramPeer is one socket of the datagram load, connected to the server. Messages are numbered from 0; over loopback they
// come back in order or not at all, and the closed loop is small enough that no buffer overflows.
type datagramPeer struct {
	fd      int
	sending int     // number of the next message
	reading int     // number of the one that is awaited
	sentAt  []int64 // ns, ring of depth entries
}

// datagrams is the closed loop over UDP: every peer keeps depth messages outstanding.
type datagrams struct {
	opt     *options
	m       *meter
	peers   []datagramPeer
	in, out []byte
}

func newDatagrams(opt *options, m *meter) traffic {
	return &datagrams{opt: opt, m: m, peers: make([]datagramPeer, opt.conns), in: make([]byte, 1<<16), out: pattern(opt.size)}
}

func (d *datagrams) open(p *poller) error {
	sa, err := resolve(d.opt.addr)
	if err != nil {
		return err
	}
	events := uint32(unix.EPOLLIN)
	if d.opt.depth == 1 { // what was read left nothing: the kernel need not look again
		events |= unix.EPOLLET
	}
	for i := range d.peers {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		if err := unix.Connect(fd, sa); err != nil {
			return os.NewSyscallError("connect", err)
		}
		d.peers[i] = datagramPeer{fd: fd, sentAt: make([]int64, d.opt.depth)}
		if err := p.add(fd, i, events); err != nil {
			return err
		}
	}
	for i := range d.peers {
		for range d.opt.depth {
			if err := d.send(i, now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// ready takes one message and sends the next; what else is there makes the socket ready again.
func (d *datagrams) ready(i int, _ uint32) error {
	c := &d.peers[i]
	n, errno := read(c.fd, d.in)
	if errno == unix.EAGAIN {
		return nil
	}
	if errno != 0 {
		return os.NewSyscallError("recv", errno)
	}
	return d.send(i, d.take(i, d.in[:n]))
}

// take counts and checks one message, and returns when it came.
func (d *datagrams) take(i int, b []byte) int64 {
	c := &d.peers[i]
	if len(b) != d.opt.size {
		d.m.fail("peer %d got %d bytes for %d", i, len(b), d.opt.size)
	}
	if len(b) >= stampSize {
		if have, want := binary.LittleEndian.Uint64(b), stamp(i, c.reading); have != want {
			d.m.fail("peer %d got message %#x for %#x", i, have, want)
		}
	}
	at := now()
	d.m.latency.add(at - c.sentAt[c.reading%d.opt.depth])
	d.m.count(i, len(b))
	c.reading++
	return at
}

func (d *datagrams) send(i int, at int64) error {
	n, errno := write(d.peers[i].fd, d.compose(i, d.out))
	return d.sent(i, at, n, errno)
}

// compose makes out, which is as long as a message, the next one of a peer.
func (d *datagrams) compose(i int, out []byte) []byte {
	if len(out) >= stampSize {
		binary.LittleEndian.PutUint64(out, stamp(i, d.peers[i].sending))
	}
	return out
}

// sent counts a message that was sent, at a time in ns.
func (d *datagrams) sent(i int, at int64, n int, errno unix.Errno) error {
	if errno != 0 {
		return os.NewSyscallError("send", errno)
	}
	if n != d.opt.size {
		return fmt.Errorf("the kernel sent %d bytes of a datagram of %d", n, d.opt.size)
	}
	c := &d.peers[i]
	c.sentAt[c.sending%d.opt.depth] = at
	c.sending++
	return nil
}

func (d *datagrams) close() error {
	for i := range d.peers {
		unix.Close(d.peers[i].fd)
	}
	return nil
}
