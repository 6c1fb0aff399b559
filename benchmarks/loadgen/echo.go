//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	readSize = 256 << 10
	// stampSize bytes at the head of each message say whose it is: bytes of another connection, lost or doubled bytes show.
	stampSize = 8
)

// echoConn is one connection of the echo load. Messages are numbered from 0; a message's stamp and its place in sentAt follow from its
// number, so an unfinished write can be made again from the shared buffer.
type echoConn struct {
	fd      int
	unsent  int     // messages not fully written
	writing int     // number of the first of them
	written int     // bytes of it that are
	reading int     // number of the message being received
	got     int     // bytes of it that are
	sentAt  []int64 // ns, ring of depth entries
}

// echo is the closed loop: every connection keeps depth messages outstanding.
type echo struct {
	opt   *options
	m     *meter
	conns []echoConn
	in    []byte
	out   []byte // room for as many whole messages as one write may carry
}

func newEcho(opt *options, m *meter) traffic {
	messages := opt.depth
	if messages*opt.size > 1<<20 {
		messages = max(1, (1<<20)/opt.size)
	}
	return &echo{opt: opt, m: m, conns: make([]echoConn, opt.conns), in: make([]byte, readSize),
		out: pattern(messages * opt.size)}
}

// pattern is n bytes that repeat every 251, a prime, so that a loss of any round number of bytes shifts them.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % period)
	}
	return b
}

const period = 251

func (e *echo) open(p *poller) error {
	sa, err := resolve(e.opt.addr)
	if err != nil {
		return err
	}
	for i := range e.conns {
		fd, err := dial(sa)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		e.conns[i] = echoConn{fd: fd, unsent: e.opt.depth, sentAt: make([]int64, e.opt.depth)}
		if err := p.add(fd, i, edges); err != nil {
			return err
		}
	}
	start := now()
	for i := range e.conns {
		c := &e.conns[i]
		for k := range c.sentAt {
			c.sentAt[k] = start
		}
		if err := e.flush(i, c); err != nil {
			return err
		}
	}
	return nil
}

func (e *echo) ready(i int, events uint32) error {
	c := &e.conns[i]
	if events&(unix.EPOLLIN|over) != 0 {
		// Readable says there is something; a read that fills the buffer leaves more; an end shows only behind the data.
		for more := true; more; {
			n, err := e.receive(i, c)
			if err != nil {
				return err
			}
			more = n == len(e.in) || n > 0 && events&over != 0
		}
	}
	if c.unsent > 0 {
		return e.flush(i, c)
	}
	return nil
}

// receive reads once and returns how much, 0 when there was nothing; the messages that became complete are sent anew by the
// next flush.
func (e *echo) receive(i int, c *echoConn) (int, error) {
	n, errno := read(c.fd, e.in)
	if errno == unix.EAGAIN {
		return 0, nil
	}
	if errno != 0 {
		return 0, os.NewSyscallError("read", errno)
	}
	if n == 0 {
		return 0, fmt.Errorf("the server closed connection %d", i)
	}
	e.take(i, c, e.in[:n])
	return n, nil
}

// take counts and checks the messages that b completes.
func (e *echo) take(i int, c *echoConn, b []byte) {
	var at int64
	size := e.opt.size
	for len(b) > 0 {
		n, complete := c.read(i, size, b, e.m)
		if !complete {
			break
		}
		b = b[n:]
		if at == 0 {
			at = now()
		}
		slot := (c.reading - 1) % e.opt.depth
		e.m.latency.add(at - c.sentAt[slot])
		e.m.count(i, size)
		c.sentAt[slot] = at
		c.unsent++
	}
}

// read takes the message that connection i waits for from b, and checks its stamp. It returns how much of b was the message's, and
// whether it is complete.
func (c *echoConn) read(i, size int, b []byte, m *meter) (int, bool) {
	if c.got == 0 && len(b) >= stampSize && size >= stampSize {
		if have, want := binary.LittleEndian.Uint64(b), stamp(i, c.reading); have != want {
			m.fail("connection %d got message %#x for %#x", i, have, want)
		}
	}
	n := min(size-c.got, len(b))
	c.got += n
	if c.got < size {
		return n, false
	}
	c.got = 0
	c.reading++
	return n, true
}

// flush writes the unsent messages, as far as the socket has room: an event tells when it has again.
func (e *echo) flush(i int, c *echoConn) error {
	for c.unsent > 0 {
		n, errno := write(c.fd, e.compose(i, c, e.out))
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 {
			return os.NewSyscallError("send", errno)
		}
		e.wrote(c, n)
	}
	return nil
}

// compose puts the unsent messages into out, as many as it holds, and returns what is still to be sent of them.
func (e *echo) compose(i int, c *echoConn, out []byte) []byte {
	size := e.opt.size
	messages := min(c.unsent, len(out)/size)
	if size >= stampSize {
		for k := range messages {
			binary.LittleEndian.PutUint64(out[k*size:], stamp(i, c.writing+k))
		}
	}
	return out[c.written : messages*size]
}

// wrote counts n bytes that the kernel took.
func (e *echo) wrote(c *echoConn, n int) {
	c.written += n
	done := c.written / e.opt.size
	c.written -= done * e.opt.size
	c.writing += done
	c.unsent -= done
}

func (e *echo) close() error {
	for i := range e.conns {
		unix.Close(e.conns[i].fd)
	}
	return nil
}

// stamp names one message of one connection.
func stamp(conn, message int) uint64 { return uint64(conn)<<40 | uint64(message)&(1<<40-1) }
