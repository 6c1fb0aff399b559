//go:build linux

package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openLoop sends messages when they are due, whatever became of those before, and measures from then: a server that is late
// once is late for all that came meanwhile. It never sleeps, so that what it adds itself is small; how small stands in late.
type openLoop struct {
	*echo
	arrivals *arrivals
	start    int64     // ns: dues are after it
	due      int64     // ns after the start: of the next message
	conn     int       // of the next message
	waiting  [][]int64 // ns: when what each connection awaits was due, oldest first
	begun    int64     // ns: what was due before the window is not measured
	late     histogram // from when a message was due to when it was handed to the kernel
}

// punctual is of traffic that sends by the clock.
type punctual interface {
	begin()           // the window opens
	sendDue() error   // send what is due
	outstanding() int // messages without an answer
	abandon()         // measure those as if they were answered now
}

func newOpenLoop(opt *options, m *meter) traffic {
	return &openLoop{echo: newEcho(opt, m).(*echo), arrivals: newArrivals(opt.seed, opt.rate, opt.conns),
		waiting: make([][]int64, opt.conns)}
}

func (o *openLoop) open(p *poller) error {
	if o.opt.rate <= 0 {
		return fmt.Errorf("-rate is needed")
	}
	sa, err := resolve(o.opt.addr)
	if err != nil {
		return err
	}
	for i := range o.conns {
		fd, err := dial(sa)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		o.conns[i] = echoConn{fd: fd}
		if err := p.add(fd, i, edges); err != nil {
			return err
		}
	}
	o.start = now()
	o.due, o.conn = o.arrivals.next()
	return nil
}

func (o *openLoop) begin() {
	o.begun = now()
	o.late.reset()
}

func (o *openLoop) sendDue() error {
	for o.start+o.due <= now() {
		due, c := o.start+o.due, &o.conns[o.conn]
		o.waiting[o.conn] = append(o.waiting[o.conn], due)
		c.unsent++
		o.late.add(now() - due)
		if err := o.flush(o.conn, c); err != nil {
			return err
		}
		o.due, o.conn = o.arrivals.next()
	}
	return nil
}

func (o *openLoop) ready(i int, events uint32) error {
	c := &o.conns[i]
	for more := events&(unix.EPOLLIN|over) != 0; more; {
		n, errno := read(c.fd, o.in)
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 {
			return os.NewSyscallError("read", errno)
		}
		if n == 0 {
			return fmt.Errorf("the server closed connection %d", i)
		}
		o.take(i, c, o.in[:n], now())
		more = n == len(o.in) || events&over != 0
	}
	return o.flush(i, c)
}

// take counts and checks the messages that b completes, which came at a time in ns.
func (o *openLoop) take(i int, c *echoConn, b []byte, at int64) {
	size := o.opt.size
	for len(b) > 0 {
		n, complete := c.read(i, size, b, o.m)
		if !complete {
			break
		}
		b = b[n:]
		if len(o.waiting[i]) == 0 {
			o.m.fail("connection %d got a message that it did not await", i)
			continue
		}
		due := o.waiting[i][0]
		o.waiting[i] = o.waiting[i][1:]
		o.m.count(i, size)
		if due >= o.begun {
			o.m.latency.add(at - due)
		}
	}
}

func (o *openLoop) outstanding() int {
	n := 0
	for _, waiting := range o.waiting {
		n += len(waiting)
	}
	return n
}

func (o *openLoop) abandon() {
	at := now()
	for _, waiting := range o.waiting {
		for _, due := range waiting {
			o.m.latency.add(at - due)
		}
	}
}

// settling is how long the answers of the window are awaited after its end.
const settling = 5 * time.Second

// settle awaits them.
func settle(t traffic, p *poller) error {
	o, ok := t.(punctual)
	if !ok {
		return nil
	}
	until := now() + int64(settling)
	for o.outstanding() > 0 && now() < until {
		if err := pollOnce(t, p, time.Millisecond); err != nil {
			return err
		}
	}
	o.abandon()
	return nil
}
