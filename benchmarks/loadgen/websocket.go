//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// websockets is the closed loop of echo, one binary message outstanding on each connection, through WebSocket (RFC 6455) without
// extensions. The mask is zero: it changes nothing for who unmasks, and the payload stays as it is.
type websockets struct {
	opt   *options
	m     *meter
	conns []websocketConn
	in    []byte
	out   []byte // header, mask and payload of one message
	stamp int    // where the payload begins
}

type websocketConn struct {
	fd      int
	sent    int64 // ns
	buffer  []byte
	message int
}

// upgrade is the request; the key is of 16 bytes, in base64.
const upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

var upgraded = []byte("HTTP/1.1 101 ")

func newWebsockets(opt *options, m *meter) traffic {
	out := append(frameHeader(opt.size, true), 0, 0, 0, 0)
	return &websockets{opt: opt, m: m, conns: make([]websocketConn, opt.conns), in: make([]byte, readSize),
		stamp: len(out), out: append(out, pattern(opt.size)...)}
}

// frameHeader is that of a binary message in one frame, without the mask.
func frameHeader(size int, masked bool) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	switch {
	case size < 126:
		return []byte{0x82, mask | byte(size)}
	case size < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{0x82, mask | 126}, uint16(size))
	}
	return binary.BigEndian.AppendUint64([]byte{0x82, mask | 127}, uint64(size))
}

func (w *websockets) open(p *poller) error {
	sa, err := resolve(w.opt.addr)
	if err != nil {
		return err
	}
	for i := range w.conns {
		fd, err := dial(sa)
		if err == nil {
			err = shakeHands(fd)
		}
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		w.conns[i] = websocketConn{fd: fd}
		if err := p.add(fd, i, unix.EPOLLIN); err != nil {
			return err
		}
	}
	for i := range w.conns {
		if err := w.send(i, now()); err != nil {
			return err
		}
	}
	return nil
}

// shakeHands turns a connection, which still blocks, into one of WebSocket.
func shakeHands(fd int) error {
	if err := writeAll(fd, []byte(upgrade)); err != nil {
		return err
	}
	var answer []byte
	for buffer := make([]byte, 4096); !bytes.HasSuffix(answer, emptyLine); {
		n, errno := read(fd, buffer)
		if errno != 0 || n == 0 {
			return fmt.Errorf("the server ended a handshake: %v, after %q", errno, answer)
		}
		answer = append(answer, buffer[:n]...)
	}
	if !bytes.HasPrefix(answer, upgraded) {
		return fmt.Errorf("no WebSocket: %q", answer[:min(len(answer), 200)])
	}
	return nil
}

func (w *websockets) send(i int, at int64) error {
	c := &w.conns[i]
	if w.opt.size >= stampSize {
		binary.LittleEndian.PutUint64(w.out[w.stamp:], stamp(i, c.message))
	}
	c.sent, c.buffer = at, c.buffer[:0]
	if n, errno := write(c.fd, w.out); errno != 0 || n < len(w.out) {
		return fmt.Errorf("send of a message: %d of %d bytes: %v", n, len(w.out), errno)
	}
	return nil
}

func (w *websockets) ready(i int, _ uint32) error {
	c := &w.conns[i]
	n, errno := read(c.fd, w.in)
	switch {
	case errno == unix.EAGAIN:
		return nil
	case errno != 0:
		return os.NewSyscallError("read", errno)
	case n == 0:
		return fmt.Errorf("the server closed connection %d", i)
	}
	c.buffer = append(c.buffer, w.in[:n]...)
	if whole, err := w.check(i, c); err != nil || !whole {
		return err
	}
	at := now()
	w.m.latency.add(at - c.sent)
	w.m.count(i, w.opt.size)
	c.message++
	return w.send(i, at)
}

// check says whether the answer is complete: one frame, with the message that was sent.
func (w *websockets) check(i int, c *websocketConn) (bool, error) {
	header := frameHeader(w.opt.size, false)
	if len(c.buffer) < len(header)+w.opt.size {
		return false, nil
	}
	if !bytes.HasPrefix(c.buffer, header) {
		return false, fmt.Errorf("connection %d: not one frame of %d bytes: %x", i, w.opt.size, c.buffer[:len(header)])
	}
	if !bytes.Equal(c.buffer[len(header):], w.expected(i, c)) {
		w.m.fail("connection %d: not the message that was sent", i)
	}
	return true, nil
}

// expected is the payload of the message that is outstanding.
func (w *websockets) expected(i int, c *websocketConn) []byte {
	payload := w.out[w.stamp:]
	if w.opt.size >= stampSize {
		binary.LittleEndian.PutUint64(payload, stamp(i, c.message))
	}
	return payload
}

func (w *websockets) close() error {
	for i := range w.conns {
		unix.Close(w.conns[i].fd)
	}
	return nil
}
