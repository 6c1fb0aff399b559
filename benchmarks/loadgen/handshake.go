//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"iter"
	"os"

	"golang.org/x/sys/unix"
)

// handshakes connects, makes a whole TLS handshake, sends one message and reads it back, resets the connection and starts anew:
// conns of these at a time.
type handshakes struct {
	opt     *options
	m       *meter
	p       *poller
	sa      unix.Sockaddr
	config  *tls.Config
	slots   []handshakeConn
	out, in []byte
}

// handshakeConn is one connection. crypto/tls cannot leave a handshake half done and come back, so each has a coroutine, which
// gives way where it would wait.
type handshakeConn struct {
	fd      int
	started int64 // ns
	err     error
	resume  func() (struct{}, bool)
	end     func()
}

func newHandshakes(opt *options, m *meter) traffic {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}}
	return &handshakes{opt: opt, m: m, config: config, slots: make([]handshakeConn, opt.conns),
		out: pattern(opt.size), in: make([]byte, opt.size)}
}

func (h *handshakes) open(p *poller) (err error) {
	h.p = p
	if h.sa, err = resolve(h.opt.addr); err != nil {
		return err
	}
	for i := range h.slots {
		if err = h.start(i); err != nil {
			return err
		}
	}
	return nil
}

// start connects slot i and takes it as far as it goes.
func (h *handshakes) start(i int) error {
	s := &h.slots[i]
	*s = handshakeConn{started: now()}
	var err error
	if s.fd, err = socket(h.sa, unix.SOCK_NONBLOCK); err != nil {
		return err
	}
	linger := unix.Linger{Onoff: 1} // no port is left in TIME_WAIT
	if err = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err = unix.Connect(s.fd, h.sa); err != nil && err != unix.EINPROGRESS {
		return os.NewSyscallError("connect", err)
	}
	if err = h.p.add(s.fd, i, unix.EPOLLIN|unix.EPOLLET); err != nil {
		return err
	}
	s.resume, s.end = iter.Pull(func(yield func(struct{}) bool) {
		s.err = h.live(&rawConn{fd: s.fd, buffer: make([]byte, 0, 16<<10), wait: func() bool { return yield(struct{}{}) }})
	})
	return h.ready(i, 0)
}

// live is a connection's life.
func (h *handshakes) live(raw *rawConn) error {
	conn := tls.Client(raw, h.config)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if _, err := conn.Write(h.out); err != nil {
		return err
	}
	for got := 0; got < len(h.out); {
		n, err := conn.Read(h.in)
		if err != nil {
			return err
		}
		got += n
	}
	return nil
}

func (h *handshakes) ready(i int, _ uint32) error {
	s := &h.slots[i]
	if _, waits := s.resume(); waits {
		return nil
	}
	if s.err != nil {
		return fmt.Errorf("connection %d: %w", i, s.err)
	}
	h.m.latency.add(now() - s.started)
	h.m.count(i, len(h.out))
	unix.Close(s.fd)
	return h.start(i)
}

func (h *handshakes) close() error {
	for i := range h.slots {
		h.slots[i].end()
		unix.Close(h.slots[i].fd)
	}
	return nil
}
