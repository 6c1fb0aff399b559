//go:build linux

package main

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tlsEcho is the closed loop of echo, one message outstanding on each connection, through crypto/tls.
type tlsEcho struct {
	opt   *options
	m     *meter
	conns []tlsConn
	in    []byte
	out   []byte
}

type tlsConn struct {
	raw     *rawConn
	tls     *tls.Conn
	sent    int64 // ns
	got     int
	message int
}

func newTLS(opt *options, m *meter) traffic {
	return &tlsEcho{opt: opt, m: m, conns: make([]tlsConn, opt.conns), in: make([]byte, readSize),
		out: pattern(max(opt.size, stampSize))[:opt.size]}
}

func (e *tlsEcho) open(p *poller) error {
	sa, err := resolve(e.opt.addr)
	if err != nil {
		return err
	}
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	for i := range e.conns {
		fd, err := dial(sa)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		raw := &rawConn{fd: fd, buffer: make([]byte, 0, 64<<10)}
		e.conns[i] = tlsConn{raw: raw, tls: tls.Client(raw, config)}
		// The handshake is made on a blocking socket, one connection after the other.
		if err := e.conns[i].tls.Handshake(); err != nil {
			return fmt.Errorf("handshake of connection %d: %w", i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		if err := p.add(fd, i, unix.EPOLLIN); err != nil {
			return err
		}
	}
	for i := range e.conns {
		if err := e.send(i, now()); err != nil {
			return err
		}
	}
	return nil
}

func (e *tlsEcho) send(i int, at int64) error {
	c := &e.conns[i]
	if e.opt.size >= stampSize {
		binary.LittleEndian.PutUint64(e.out, stamp(i, c.message))
	}
	c.sent, c.got = at, 0
	_, err := c.tls.Write(e.out)
	return err
}

func (e *tlsEcho) ready(i int, _ uint32) error {
	c := &e.conns[i]
	for c.got < e.opt.size {
		n, err := c.tls.Read(e.in)
		if errors.Is(err, errWouldBlock) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if c.got == 0 && n >= stampSize && e.opt.size >= stampSize {
			if have, want := binary.LittleEndian.Uint64(e.in), stamp(i, c.message); have != want {
				e.m.fail("connection %d got message %#x for %#x", i, have, want)
			}
		}
		c.got += n
	}
	if c.got > e.opt.size {
		e.m.fail("connection %d got %d bytes for %d", i, c.got, e.opt.size)
	}
	at := now()
	e.m.latency.add(at - c.sent)
	e.m.count(i, e.opt.size)
	c.message++
	return e.send(i, at)
}

func (e *tlsEcho) close() error {
	for i := range e.conns {
		unix.Close(e.conns[i].raw.fd)
	}
	return nil
}

// errWouldBlock is temporary in the sense of net.Error: crypto/tls keeps what it has and may be called again.
var errWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "would block" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// rawConn is a descriptor as a net.Conn. Reads go through a buffer, since crypto/tls asks for the header of a record first; a write
// that finds no room waits for it.
type rawConn struct {
	fd     int
	buffer []byte
	from   int
	wait   func() bool // until there is something to read; false at the end. Without it a read that would wait fails
}

func (c *rawConn) Read(b []byte) (int, error) {
	if c.from == len(c.buffer) {
		n, errno := read(c.fd, c.buffer[:cap(c.buffer)])
		switch {
		case errno == unix.EAGAIN && c.wait == nil:
			return 0, errWouldBlock
		case errno == unix.EAGAIN:
			if !c.wait() {
				return 0, net.ErrClosed
			}
			return c.Read(b)
		case errno != 0:
			return 0, os.NewSyscallError("read", errno)
		case n == 0:
			return 0, io.EOF
		}
		c.buffer, c.from = c.buffer[:n], 0
	}
	n := copy(b, c.buffer[c.from:])
	c.from += n
	return n, nil
}

func (c *rawConn) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, errno := write(c.fd, b[done:])
		if errno == unix.EAGAIN {
			fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLOUT}}
			if n, err := unix.Poll(fds, 10_000); n == 0 && err == nil {
				return done, fmt.Errorf("no room to write for 10 s")
			}
			continue
		}
		if errno != 0 {
			return done, os.NewSyscallError("send", errno)
		}
		done += n
	}
	return done, nil
}

func (c *rawConn) Close() error                     { return unix.Close(c.fd) }
func (c *rawConn) LocalAddr() net.Addr              { return nil }
func (c *rawConn) RemoteAddr() net.Addr             { return nil }
func (c *rawConn) SetDeadline(time.Time) error      { return nil }
func (c *rawConn) SetReadDeadline(time.Time) error  { return nil }
func (c *rawConn) SetWriteDeadline(time.Time) error { return nil }
