package selector

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// bell shows in a word of memory that an epoll has something to find. It is a request of Linux's AIO, IOCB_CMD_POLL (Linux 4.18) on
// the epoll descriptor: the kernel completes it in the call or the interrupt that makes a descriptor ready, and the ring of
// completions lies in our memory. io_uring would have to interrupt the thread for that, or wait until it enters the kernel.
//
//	          ┌── listen: the kernel looks, and waits on ──┐
//	silent ◀──┘                                            └──▶ rung
//	  │ ◀──────────────── listen ───────────────────────────────┘
//	  └── leave: cancelled ──▶ rung, a little later
//
// Contexts of AIO stay until the process ends, for closing one takes some ten ms; so does the end of a process that has any.
type bell struct {
	*completions
	refused bool // there is none for us
}

// completions is a context of AIO: the ring that the kernel shows of it, and our one request.
type completions struct {
	ring    *aioRing
	request aioRequest
	silent  uint32 // the ring's tail when the request was made,
	asked   bool   // if it was;
	left    bool   // for an epoll that is no more
	results [16]aioResult
}

// aioRing is struct aio_ring, aioRequest struct iocb, aioResult struct io_event.
type aioRing struct {
	id, entries, head, tail               uint32
	magic, compatible, incompatible, size uint32
}

type aioRequest struct {
	data         uint64
	key, flags   uint32
	opcode       uint16
	priority     int16
	fd           uint32
	events       uint64
	_, _, _      uint64
	moreFlags, _ uint32
}

type aioResult [4]uint64

// Of linux/aio_abi.h and fs/aio.c.
const (
	aioMagic = 0xa10a10a1
	aioPoll  = 5
)

// spares are contexts of selectors that were closed.
var spares struct {
	sync.Mutex
	list []*completions
}

// tail is the word.
func (c *completions) tail() *uint32 { return &c.ring.tail }

// waits tells whether the kernel has our request, and nothing has come.
func (c *completions) waits() bool { return c.asked && atomic.LoadUint32(c.tail()) == c.silent }

// listen asks for the next event of the epoll, unless that has been asked and none has come.
func (b *bell) listen(epfd int) bool {
	if b.refused || b.completions == nil && !b.open() {
		return false
	}
	if b.waits() {
		return !b.left // a cancelled request ends before the next is made
	}
	b.silent, b.left = atomic.LoadUint32(b.tail()), false
	b.request = aioRequest{opcode: aioPoll, fd: uint32(epfd), events: unix.POLLIN}
	errno := b.submit(epfd)
	if errno == syscall.EAGAIN { // the ring is full of results that nobody has taken
		_, _ = sys.IoGetevents(unsafe.Pointer(b.ring), unsafe.Pointer(&b.results), len(b.results))
		errno = b.submit(epfd)
	}
	b.asked = errno == 0
	b.refused = errno != 0 && errno != syscall.EAGAIN && errno != syscall.ENOMEM
	return b.asked
}

func (c *completions) submit(epfd int) syscall.Errno {
	request := unsafe.Pointer(&c.request)
	return sys.IoSubmit(unsafe.Pointer(c.ring), epfd, &request)
}

// open takes a spare context whose request has ended, or makes one.
func (b *bell) open() bool {
	spares.Lock()
	defer spares.Unlock()
	for i, c := range spares.list {
		if !c.waits() {
			spares.list = slices.Delete(spares.list, i, i+1)
			b.completions = c
			return true
		}
	}
	c := &completions{}
	errno := sys.IoSetup(unsafe.Pointer(&c.ring))
	b.refused = errno != 0 || c.ring.magic != aioMagic || c.ring.incompatible != 0
	if !b.refused {
		b.completions = c
	}
	return !b.refused
}

// leave ends the request, if the kernel has one: its epoll is no longer ours.
func (b *bell) leave() {
	if b.completions != nil && b.waits() && !b.left {
		b.left = true
		_ = sys.IoCancel(unsafe.Pointer(b.ring), unsafe.Pointer(&b.request), unsafe.Pointer(&b.results))
	}
}

// close leaves the context to another.
func (b *bell) close() {
	if b.completions == nil {
		return
	}
	b.leave()
	spares.Lock()
	defer spares.Unlock()
	spares.list = append(spares.list, b.completions)
	b.completions = nil
}
