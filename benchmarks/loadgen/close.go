//go:build linux

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// closing connects, sends one request, reads the reply and the end of file, and starts anew: conns of these at a time. The
// server closes first; the client then resets the connection, so that no port is left in TIME_WAIT.
type closing struct {
	opt   *options
	m     *meter
	p     *poller
	sa    unix.Sockaddr
	slots []closingConn
	in    []byte
	out   []byte
}

type closingConn struct {
	fd       int
	started  int64 // ns
	sent     bool
	received int
}

// maxErrors is where a load that fails again and again gives up.
const maxErrors = 1000

func newClose(opt *options, m *meter) traffic {
	return &closing{opt: opt, m: m, slots: make([]closingConn, opt.conns), in: make([]byte, readSize),
		out: pattern(opt.size)}
}

func (c *closing) open(p *poller) (err error) {
	c.p = p
	if c.sa, err = resolve(c.opt.addr); err != nil {
		return err
	}
	for i := range c.slots {
		if err = c.start(i); err != nil {
			return err
		}
	}
	return nil
}

// start connects slot i. Over loopback the handshake is done when connect returns, so the request leaves at once.
func (c *closing) start(i int) error {
	s := &c.slots[i]
	*s = closingConn{started: now()}
	var err error
	if s.fd, err = socket(c.sa, unix.SOCK_NONBLOCK); err != nil {
		return err
	}
	linger := unix.Linger{Onoff: 1}
	if err = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err = unix.Connect(s.fd, c.sa); err != nil && err != unix.EINPROGRESS {
		return os.NewSyscallError("connect", err)
	}
	if s.sent, err = c.send(s); err != nil {
		return err
	}
	events := uint32(unix.EPOLLIN)
	if !s.sent {
		events = unix.EPOLLOUT
	}
	return c.p.add(s.fd, i, events)
}

// send writes the request; false while the connection is being made.
func (c *closing) send(s *closingConn) (bool, error) {
	n, errno := write(s.fd, c.out)
	switch {
	case errno == unix.EAGAIN || errno == unix.ENOTCONN:
		return false, nil
	case errno != 0:
		return false, os.NewSyscallError("send", errno)
	case n < len(c.out):
		return false, fmt.Errorf("short write of a request: %d of %d bytes", n, len(c.out))
	}
	return true, nil
}

func (c *closing) ready(i int, _ uint32) error {
	s := &c.slots[i]
	if !s.sent {
		sent, err := c.send(s)
		if err != nil {
			return c.abandon(i, err)
		}
		if sent {
			s.sent = true
			return c.p.modify(s.fd, i, unix.EPOLLIN)
		}
		return nil
	}
	n, errno := read(s.fd, c.in)
	switch {
	case errno == unix.EAGAIN:
		return nil
	case errno != 0:
		return c.abandon(i, os.NewSyscallError("read", errno))
	case n > 0:
		s.received += n
		return nil
	case s.received != len(c.out):
		return c.abandon(i, fmt.Errorf("closed after %d of %d bytes", s.received, len(c.out)))
	}
	c.m.latency.add(now() - s.started)
	c.m.count(i, s.received)
	unix.Close(s.fd)
	return c.start(i)
}

// abandon counts an error and starts the slot anew.
func (c *closing) abandon(i int, err error) error {
	unix.Close(c.slots[i].fd)
	c.m.fail("%v", err)
	if c.m.errors >= maxErrors {
		return fmt.Errorf("%d errors, the first: %s", c.m.errors, c.m.reason)
	}
	return c.start(i)
}

func (c *closing) close() error {
	for i := range c.slots {
		unix.Close(c.slots[i].fd)
	}
	return nil
}
