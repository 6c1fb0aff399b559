//go:build linux

package main

import (
	"fmt"
	"os"
	"unsafe"

	"goloop/internal/batch"

	"golang.org/x/sys/unix"
)

// echoBatch is echo with one system call for all that is ready, and one for all that it then sends: a generator that costs more
// than the server would measure itself.
type echoBatch struct {
	*echo
	b       *batch.Batch
	in, out []byte // a slot for each request
	slot    int
}

// newEchoBatch is newEcho, with a batch where that is asked for and the system has one.
func newEchoBatch(opt *options, m *meter) traffic {
	e := newEcho(opt, m).(*echo)
	slot := opt.depth * opt.size
	b := openBatch(opt)
	if b == nil {
		return e
	}
	t := &echoBatch{echo: e, b: b, slot: slot, in: make([]byte, batch.Max*(slot+1)), out: make([]byte, 0, batch.Max*slot)}
	for range batch.Max {
		t.out = append(t.out, e.out[:slot]...)
	}
	return t
}

// readyAll handles a wait's events, a batch at a time.
func (t *echoBatch) readyAll(events []unix.EpollEvent) error {
	for len(events) > 0 {
		n := min(len(events), batch.Max)
		if err := t.receiveAll(events[:n]); err != nil {
			return err
		}
		if err := t.sendAll(events[:n]); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// receiveAll reads once for each event. Who had more to read than one slot, or has come to an end, is then served alone.
func (t *echoBatch) receiveAll(events []unix.EpollEvent) error {
	for k := range events {
		in := t.in[k*(t.slot+1):][:t.slot+1]
		t.b.Receive(int32(t.conns[events[k].Fd].fd), uint64(uintptr(unsafe.Pointer(&in[0]))), len(in))
	}
	if err := runBatch(t.b); err != nil {
		return err
	}
	defer t.b.Reset()
	for k := range events {
		i := int(events[k].Fd)
		n, errno := t.b.Result(k)
		switch errno {
		case unix.EAGAIN:
			continue
		case 0:
		default:
			return os.NewSyscallError("read", errno)
		}
		if n == 0 {
			return fmt.Errorf("the server closed connection %d", i)
		}
		t.take(i, &t.conns[i], t.in[k*(t.slot+1):][:n])
		if n > t.slot || events[k].Events&over != 0 {
			if err := t.ready(i, events[k].Events); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendAll sends what the connections of events have to send.
func (t *echoBatch) sendAll(events []unix.EpollEvent) error {
	var who [batch.Max]int
	for k := range events {
		i := int(events[k].Fd)
		c := &t.conns[i]
		if c.unsent == 0 {
			continue
		}
		who[t.b.Len()] = i
		out := t.compose(i, c, t.out[k*t.slot:][:t.slot])
		t.b.Gather(uint64(uintptr(unsafe.Pointer(&out[0]))), int64(len(out)))
		t.b.Send(int32(c.fd))
	}
	if t.b.Len() == 0 {
		return nil
	}
	if err := runBatch(t.b); err != nil {
		return err
	}
	defer t.b.Reset()
	for k := range t.b.Len() {
		i := who[k]
		c := &t.conns[i]
		n, errno := t.b.Result(k)
		switch errno {
		case unix.EAGAIN:
			continue
		case 0:
		default:
			return os.NewSyscallError("send", errno)
		}
		t.wrote(c, n)
		if err := t.flush(i, c); err != nil { // sends only what the kernel had no room for
			return err
		}
	}
	return nil
}

func (t *echoBatch) close() error {
	t.b.Close()
	return t.echo.close()
}
