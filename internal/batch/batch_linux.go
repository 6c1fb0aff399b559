package batch

import (
	"math"
	"sync/atomic"
	"syscall"
	"unsafe"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// Batch is an io_uring(7) whose requests never wait: with MSG_DONTWAIT each has ended
// when the call that submits it returns. There is no kernel thread, and nothing is in
// flight between two calls.
type Batch struct {
	fd             int
	rings, entries []byte // mapped
	head, tail     *uint32
	mask           uint32
	sqes           *[Max]ringEntry
	doneHead       *uint32
	doneTail       *uint32
	doneMask       uint32
	done           unsafe.Pointer // of ringResult

	base    uint32     // of the requests: where the ring's tail stands
	filled  int        // requests
	results [Max]int32 // bytes, or a negative errno
	invalid bool       // the system does not know what it was asked

	headers  [Max]unix.Msghdr
	vectors  [4 * Max]sys.Iovec
	gathered int // vectors of the requests
	pending  int // vectors behind them, of the next send
}

// ringEntry is struct io_uring_sqe, ringResult struct io_uring_cqe.
type ringEntry struct {
	opcode        uint8
	_             [3]uint8
	fd            int32
	_             uint64
	addr          uint64
	len, msgFlags uint32
	user          uint64
	_             [3]uint64
}

type ringResult struct {
	user  uint64
	res   int32
	flags uint32
}

// ringParameters is struct io_uring_params.
type ringParameters struct {
	entries, doneEntries, flags, cpu, idle, features, workers uint32
	_                                                         [3]uint32
	offsets                                                   struct{ head, tail, mask, entries, flags, dropped, array, _, _, _ uint32 }
	doneOffsets                                               struct{ head, tail, mask, entries, overflow, cqes, flags, _, _, _ uint32 }
}

// Of linux/io_uring.h.
const (
	featureSingleMmap = 1 << 0 // Linux 5.4
	opSendMessage     = 9
	opSend            = 26 // Linux 5.6
	opReceive         = 27
	offsetEntries     = 0x10000000
	enterGetEvents    = 1 << 0
)

// Open returns nil where there is no io_uring, or none for us.
func Open() *Batch {
	var p ringParameters
	fd, errno := sys.IoUringSetup(Max, unsafe.Pointer(&p))
	if errno != 0 {
		return nil
	}
	b := &Batch{fd: fd}
	if !b.mapRings(&p) {
		b.Close()
		return nil
	}
	return b
}

// mapRings maps what the kernel and we share. A forked child gets none of it.
func (b *Batch) mapRings(p *ringParameters) bool {
	if p.features&featureSingleMmap == 0 || p.entries < Max {
		return false
	}
	size := max(int(p.offsets.array+4*p.entries), int(p.doneOffsets.cqes)+int(p.doneEntries)*int(unsafe.Sizeof(ringResult{})))
	var err error
	if b.rings, err = mapPrivately(b.fd, 0, size); err != nil {
		return false
	}
	if b.entries, err = mapPrivately(b.fd, offsetEntries, int(p.entries)*int(unsafe.Sizeof(ringEntry{}))); err != nil {
		return false
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&b.rings[offset])) }
	b.head, b.tail, b.mask = at(p.offsets.head), at(p.offsets.tail), *at(p.offsets.mask)
	b.doneHead, b.doneTail, b.doneMask = at(p.doneOffsets.head), at(p.doneOffsets.tail), *at(p.doneOffsets.mask)
	b.done = unsafe.Pointer(&b.rings[p.doneOffsets.cqes])
	b.sqes = (*[Max]ringEntry)(unsafe.Pointer(&b.entries[0]))
	for i := range p.entries {
		*at(p.offsets.array + 4*i) = i
	}
	return true
}

func mapPrivately(fd int, offset int64, size int) ([]byte, error) {
	m, err := sys.Mmap(fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err == nil {
		err = sys.Madvise(m, unix.MADV_DONTFORK)
	}
	return m, err
}

// Close frees the ring.
func (b *Batch) Close() {
	if b.rings != nil {
		_ = sys.Munmap(b.rings)
	}
	if b.entries != nil {
		_ = sys.Munmap(b.entries)
	}
	_ = sys.Close(b.fd)
}

// Fd is the descriptor of the ring: a forked child closes it.
func (b *Batch) Fd() int { return b.fd }

// Len is the number of requests.
func (b *Batch) Len() int { return b.filled }

// Gather adds n bytes at p to what the next send sends, if there is room.
func (b *Batch) Gather(p uint64, n int64) bool {
	if b.gathered+b.pending == len(b.vectors) || n > math.MaxInt32 {
		return false
	}
	b.vectors[b.gathered+b.pending] = sys.Iovec{Base: p, Len: uint64(n)}
	b.pending++
	return true
}

// Ungather takes back what was gathered for a send.
func (b *Batch) Ungather() { b.pending = 0 }

// Send requests what was gathered to be sent to a socket, without SIGPIPE, if there
// is room.
func (b *Batch) Send(fd int32) bool {
	if b.filled == Max {
		return false
	}
	errno := b.ask(fd)
	v := &b.vectors[b.gathered]
	if b.pending == 1 {
		b.add(opSend, fd, v.Base, uint32(v.Len))
	} else {
		h := &b.headers[b.filled]
		h.Iov = (*unix.Iovec)(unsafe.Pointer(v))
		h.SetIovlen(b.pending)
		b.add(opSendMessage, fd, uint64(uintptr(unsafe.Pointer(h))), 1)
	}
	b.gathered += b.pending
	b.pending = 0
	if errno != 0 {
		b.refuse(errno)
	}
	return true
}

// Receive requests up to n bytes of a socket to address p. There is room for Max.
func (b *Batch) Receive(fd int32, p uint64, n int) {
	n, errno := sys.Request("io_uring recv", fd, n)
	b.add(opReceive, fd, p, uint32(n))
	if errno != 0 {
		b.refuse(errno)
	}
}

// ask is sys.Request for what was gathered: a test may want less of it sent, or an error.
func (b *Batch) ask(fd int32) syscall.Errno {
	if !sys.Faults {
		return 0
	}
	v := b.vectors[b.gathered : b.gathered+b.pending]
	total := 0
	for _, part := range v {
		total += int(part.Len)
	}
	n, errno := sys.Request("io_uring send", fd, total)
	if n < total {
		b.pending = sys.Cut(v, n)
	}
	return errno
}

// refuse makes the last request one for nothing, which ends with errno.
func (b *Batch) refuse(errno syscall.Errno) {
	k := b.filled - 1
	b.sqes[(b.base+uint32(k))&b.mask] = ringEntry{user: uint64(k) | uint64(errno)<<refusal}
}

// refusal is where an entry's number holds the errno of refuse.
const refusal = 32

func (b *Batch) add(opcode uint8, fd int32, addr uint64, n uint32) {
	b.sqes[(b.base+uint32(b.filled))&b.mask] = ringEntry{opcode: opcode, fd: fd, addr: addr, len: n,
		msgFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, user: uint64(b.filled)}
	b.results[b.filled] = -int32(ErrNotTried)
	b.filled++
}

// Run submits the requests and collects their results. Those that the system did not
// take, for want of memory perhaps, have ErrNotTried for theirs.
func (b *Batch) Run() {
	atomic.StoreUint32(b.tail, b.base+uint32(b.filled))
	_, errno := b.enter(b.filled, 0, 0)
	head := atomic.LoadUint32(b.head)
	missing := int(head - b.base)
	atomic.StoreUint32(b.tail, head)
	b.base = head
	for missing -= b.collect(); missing > 0; missing -= b.collect() {
		if _, errno = b.enter(0, missing, enterGetEvents); errno != 0 && errno != syscall.EINTR {
			break
		}
	}
	switch errno {
	case 0, syscall.EINTR, syscall.EAGAIN, syscall.EBUSY, syscall.ENOMEM:
	default: // somebody closed our descriptor, or a filter came into force
		b.invalid = true
	}
}

// collect takes the results that have come and returns how many.
func (b *Batch) collect() int {
	head, tail := atomic.LoadUint32(b.doneHead), atomic.LoadUint32(b.doneTail)
	for i := head; i != tail; i++ {
		r := *(*ringResult)(unsafe.Add(b.done, uintptr(i&b.doneMask)*unsafe.Sizeof(ringResult{})))
		if sys.Faults && r.user>>refusal != 0 {
			r.res = -int32(r.user >> refusal)
			r.user &= 1<<refusal - 1
		}
		switch syscall.Errno(-r.res) {
		case syscall.EINVAL, syscall.EOPNOTSUPP:
			b.invalid = true // before Linux 5.6; the socket's own call knows better
		case syscall.ENOMEM: // of the request itself, perhaps: nothing was moved
		default:
			b.results[r.user] = r.res
		}
	}
	atomic.StoreUint32(b.doneHead, tail)
	return int(tail - head)
}

func (b *Batch) enter(submit, wait int, flags uintptr) (int, syscall.Errno) {
	return sys.IoUringEnter(b.fd, submit, wait, flags)
}

// Result is what request k, counted from 0, has come to.
func (b *Batch) Result(k int) (int, syscall.Errno) {
	if r := b.results[k]; r < 0 {
		return 0, syscall.Errno(-r)
	}
	return int(b.results[k]), 0
}

// Refused tells that the system does not know, or forbids, what it was asked.
func (b *Batch) Refused() bool { return b.invalid }

// Reset makes the batch empty.
func (b *Batch) Reset() { b.filled, b.gathered, b.pending = 0, 0, 0 }
