//go:build linux

package main

import (
	"os"
	"unsafe"

	"goloop/internal/batch"

	"golang.org/x/sys/unix"
)

// datagramBatch is datagrams with one system call for all that is ready, and one for all that it then sends.
type datagramBatch struct {
	*datagrams
	b       *batch.Batch
	in, out []byte // a slot for each request
}

// newDatagramBatch is newDatagrams, with a batch where that is asked for and the system has one.
func newDatagramBatch(opt *options, m *meter) traffic {
	d := newDatagrams(opt, m).(*datagrams)
	b := openBatch(opt)
	if b == nil {
		return d
	}
	t := &datagramBatch{datagrams: d, b: b, in: make([]byte, batch.Max*(opt.size+1)), out: make([]byte, 0, batch.Max*opt.size)}
	for range batch.Max {
		t.out = append(t.out, d.out...)
	}
	return t
}

// readyAll takes a message of each event's peer and sends the next of each, a batch at a time.
func (t *datagramBatch) readyAll(events []unix.EpollEvent) error {
	for len(events) > 0 {
		n := min(len(events), batch.Max)
		who, at, err := t.receiveAll(events[:n])
		if err != nil {
			return err
		}
		if err := t.sendAll(who, at); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// receiveAll returns the peers that had a message, at the head of events, and the time in ns.
func (t *datagramBatch) receiveAll(events []unix.EpollEvent) ([]unix.EpollEvent, int64, error) {
	room := t.opt.size + 1 // a datagram that is too long shows
	for k := range events {
		t.b.Receive(int32(t.peers[events[k].Fd].fd), uint64(uintptr(unsafe.Pointer(&t.in[k*room]))), room)
	}
	if err := runBatch(t.b); err != nil {
		return nil, 0, err
	}
	defer t.b.Reset()
	var at int64
	who := events[:0]
	for k, event := range events {
		n, errno := t.b.Result(k)
		if errno == unix.EAGAIN {
			continue
		}
		if errno != 0 {
			return nil, 0, os.NewSyscallError("recv", errno)
		}
		at = t.take(int(event.Fd), t.in[k*room:][:n])
		who = append(who, event)
	}
	return who, at, nil
}

func (t *datagramBatch) sendAll(who []unix.EpollEvent, at int64) error {
	if len(who) == 0 {
		return nil
	}
	size := t.opt.size
	for k := range who {
		out := t.compose(int(who[k].Fd), t.out[k*size:][:size])
		t.b.Gather(uint64(uintptr(unsafe.Pointer(&out[0]))), int64(size))
		t.b.Send(int32(t.peers[who[k].Fd].fd))
	}
	if err := runBatch(t.b); err != nil {
		return err
	}
	defer t.b.Reset()
	for k := range who {
		n, errno := t.b.Result(k)
		if err := t.sent(int(who[k].Fd), at, n, errno); err != nil {
			return err
		}
	}
	return nil
}

func (t *datagramBatch) close() error {
	t.b.Close()
	return t.datagrams.close()
}
