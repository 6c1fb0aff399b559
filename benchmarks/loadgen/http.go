//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxResponse is the room for one response.
const maxResponse = 64 << 10

// httpConn is one keep-alive connection with one request outstanding.
type httpConn struct {
	fd     int
	sent   int64 // ns
	buffer []byte
	have   int
}

// httpLoad sends GET after GET. Of HTTP it knows: status 200, Content-Length, an empty line, a body.
type httpLoad struct {
	opt     *options
	m       *meter
	conns   []httpConn
	request []byte
}

func newHTTP(opt *options, m *meter) traffic {
	return &httpLoad{opt: opt, m: m, conns: make([]httpConn, opt.conns),
		request: []byte("GET " + opt.path + " HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")}
}

func (h *httpLoad) open(p *poller) error {
	sa, err := resolve(h.opt.addr)
	if err != nil {
		return err
	}
	for i := range h.conns {
		fd, err := dial(sa)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		h.conns[i] = httpConn{fd: fd, buffer: make([]byte, maxResponse)}
		if err := p.add(fd, i, unix.EPOLLIN); err != nil {
			return err
		}
	}
	for i := range h.conns {
		if err := h.send(&h.conns[i], now()); err != nil {
			return err
		}
	}
	return nil
}

func (h *httpLoad) send(c *httpConn, at int64) error {
	c.sent, c.have = at, 0
	if n, errno := write(c.fd, h.request); errno != 0 || n < len(h.request) {
		return fmt.Errorf("send of a request: %d of %d bytes: %v", n, len(h.request), errno)
	}
	return nil
}

func (h *httpLoad) ready(i int, _ uint32) error {
	c := &h.conns[i]
	n, errno := read(c.fd, c.buffer[c.have:])
	switch {
	case errno == unix.EAGAIN:
		return nil
	case errno != 0:
		return os.NewSyscallError("read", errno)
	case n == 0:
		return fmt.Errorf("the server closed connection %d after %q", i, c.buffer[:min(c.have, 200)])
	}
	c.have += n
	end, err := responseEnd(c.buffer[:c.have])
	switch {
	case err != nil:
		return fmt.Errorf("%w: %q", err, c.buffer[:min(c.have, 200)])
	case end == 0 && c.have == len(c.buffer):
		return fmt.Errorf("a response of more than %d bytes", maxResponse)
	case end == 0:
		return nil
	case end < c.have:
		h.m.fail("%d bytes after the end of a response", c.have-end)
	}
	at := now()
	h.m.latency.add(at - c.sent)
	h.m.count(i, end)
	return h.send(c, at)
}

func (h *httpLoad) close() error {
	for i := range h.conns {
		unix.Close(h.conns[i].fd)
	}
	return nil
}

var (
	statusOK  = []byte("HTTP/1.1 200")
	emptyLine = []byte("\r\n\r\n")
	lengthKey = []byte("\r\ncontent-length:")
)

// responseEnd returns the length of the response at the head of b, 0 while it is incomplete.
func responseEnd(b []byte) (int, error) {
	head := bytes.Index(b, emptyLine)
	if head < 0 {
		return 0, nil
	}
	if !bytes.HasPrefix(b, statusOK) {
		return 0, fmt.Errorf("not a response with status 200")
	}
	value := header(b[:head+2], lengthKey)
	length, err := strconv.Atoi(string(bytes.TrimSpace(value)))
	if err != nil || length < 0 {
		return 0, fmt.Errorf("no Content-Length")
	}
	if end := head + len(emptyLine) + length; end <= len(b) {
		return end, nil
	}
	return 0, nil
}

// header returns what follows key (lower case, with the line break before it) up to the line's end, nil if it is absent.
func header(b, key []byte) []byte {
	for at := 0; ; at++ {
		next := bytes.IndexByte(b[at:], '\r')
		if next < 0 || at+next+len(key) > len(b) {
			return nil
		}
		at += next
		if bytes.EqualFold(b[at:at+len(key)], key) {
			value := b[at+len(key):]
			return value[:bytes.IndexByte(value, '\r')]
		}
	}
}
