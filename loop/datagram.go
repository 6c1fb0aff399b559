package loop

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"goloop/internal/sys"
)

// A datagram socket is non-blocking, connected or not.
//
//	reading ──Pause──▶ paused ──Resume──▶ reading
//	any ──Discard──▶ paused, without its queue
//	any ──the selector refuses──▶ broken                (Error is told once, FlagFatal with it)
//
// Any other error concerns one datagram: Error is told, and the socket goes on.

const (
	maxMessages  = 64      // datagrams that one system call may send
	receiveBatch = 8       // datagrams that one may receive: an arena of 512 KiB has room for 7 of the largest
	maxPacket    = 1 << 16 // no datagram over IP is larger; one of a Unix socket may be
	leastCost    = 1 << 10 // bytes that a datagram counts for at least, so that a turn takes 64 of the smallest
)

// Message is what a Send sends: struct gl_message.
type Message struct {
	Ptr     uint64
	Len     int64
	Addr    uint64
	AddrLen int64 // 0: to whom the socket is connected
}

// SenderPlaces is how many senders the host may remember, each at a place of its own.
const SenderPlaces = 64

// senderPlace is where the sender with that sockaddr is remembered: the same always has the same, those that are alike
// seldom share one.
func senderPlace(name []byte) uint16 {
	const golden = 0x9E3779B97F4A7C15
	var mixed uint64 // family, port, IPv4 address or flow; IPv6 address
	for ; len(name) >= 8; name = name[8:] {
		mixed ^= binary.NativeEndian.Uint64(name)
	}
	return uint16(mixed * golden >> 58)
}

// openDatagram starts a datagram socket. A refusal is told as an Error.
func (e *Engine) openDatagram(s *Submission) {
	d := e.claim(s.Fd, s.Generation, datagram)
	switch {
	case d == nil:
		e.Complete(Completion{Kind: Error, Flags: FlagRead | FlagFatal, Fd: s.Fd, Generation: s.Generation, Res: int32(syscall.EBADF)})
		return
	case e.arena == nil:
		e.fail(d, FlagRead, int32(syscall.EINVAL))
		return
	}
	if e.messages == nil {
		e.messages = newMessages()
	}
	d.paused = s.Flags&FlagPaused != 0
	d.most = maxPacket
	// Where the system does not tell, room for all: a datagram that is cut is lost.
	name, err := sys.Getsockname(int(d.fd))
	if _, isUnix := name.(*syscall.SockaddrUnix); isUnix || err != nil {
		d.most = int32(min(maxRead, len(e.arena)-maxSockaddr))
	}
	e.refresh(d)
}

// readDatagrams takes what waits, up to turnBytes. What is left makes the
// descriptor ready again.
func (e *Engine) readDatagrams(d *descriptor) {
	if d.paused || d.broken {
		e.refresh(d)
		return
	}
	slot := int(d.most)
	for e.spent < turnBytes {
		// Each datagram is received where the largest would fit, behind the addresses of
		// all, and then moved to the end of the one before it.
		count := min(receiveBatch, (len(e.arena)-e.arenaEnd)/(maxSockaddr+slot), e.room())
		if count <= 0 {
			return
		}
		base := address(e.arena)
		names := e.arenaEnd
		data := names + count*maxSockaddr
		for i := range count {
			e.messages.set(i, base+uint64(data+i*slot), int64(slot), base+uint64(names+i*maxSockaddr), maxSockaddr)
		}
		n, errno := e.messages.receive(d.fd, count)
		end := data
		for i := range n {
			size, length := e.messages.received(i)
			if from := data + i*slot; from != end {
				copy(e.arena[end:], e.arena[from:from+size])
			}
			name := e.arena[names+i*maxSockaddr:][:min(length, unix.SizeofSockaddrInet6)]
			e.Complete(Completion{
				Kind: Datagram, Flags: senderPlace(name), Fd: d.fd, Generation: d.generation, Ptr: base + uint64(end), Len: int64(size),
				User: base + uint64(names+i*maxSockaddr), Res: int32(length),
			})
			end += (size + 63) &^ 63
			e.spent += max(size, leastCost)
			e.stats.ReadBytes += counted * uint64(size)
		}
		if n > 0 {
			e.arenaEnd = min(end, len(e.arena))
			e.stats.Reads += counted
		}
		if n < count {
			if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
				e.Complete(Completion{Kind: Error, Flags: FlagRead, Fd: d.fd, Generation: d.generation, Res: int32(errno)})
			}
			return
		}
	}
}

// sendFailed tells that one datagram did not leave.
func (e *Engine) sendFailed(d *descriptor, errno syscall.Errno) {
	e.Complete(Completion{Kind: Error, Flags: FlagWrite, Fd: d.fd, Generation: d.generation, Res: int32(errno)})
}

// messageAt finds the message that a Send names.
func messageAt(p uint64) *Message { return (*Message)(pointer(p)) }

// describe makes the message at address p the i-th of the next system call.
func (e *Engine) describe(i int, p uint64) int64 {
	m := messageAt(p)
	e.messages.set(i, m.Ptr, m.Len, m.Addr, int(m.AddrLen))
	return m.Len
}

// flushSends sends all that this turn submitted for d, many with one system call.
func (e *Engine) flushSends(d *descriptor) {
	d.dirty = false
	i := d.first
	d.first, d.last = -1, -1
	for i >= 0 {
		count := 0
		for j := i; j >= 0 && count < maxMessages; j = e.sq[j].Res {
			e.describe(count, e.sq[j].Ptr)
			count++
		}
		n, errno := e.messages.send(d.fd, count)
		if errno == syscall.EAGAIN || errno == syscall.EINTR {
			for ; i >= 0; i = e.queueRest(d, i) {
			}
			break
		}
		if errno != 0 { // of the first; those behind it have a chance of their own
			s := &e.sq[i]
			i = s.Res
			s.Flags |= FlagFailed
			s.Res = int32(errno)
			if s.Flags&FlagAlone == 0 {
				e.sendFailed(d, errno)
			}
			continue
		}
		e.stats.Writes += counted
		for k := range n {
			s := &e.sq[i]
			e.stats.WriteBytes += counted * uint64(e.messages.length(k))
			i = s.Res
			s.Flags |= FlagDone
			s.Res = 0
		}
	}
	e.finishWriting(d)
}

// flushDatagrams sends what waits, now that the socket has room.
func (e *Engine) flushDatagrams(d *descriptor) {
	// One completion for the bytes, one or two for each datagram.
	count := min(maxMessages, (e.room()-1)/2, d.queue.n)
	if count > 0 {
		for i, at := 0, d.queue.first; i < count; i++ {
			c := e.chunks.at(at)
			e.describe(i, c.ptr)
			at = c.next
		}
		n, errno := e.messages.send(d.fd, count)
		switch errno {
		case 0:
			e.stats.Writes += counted
			for k := range n {
				e.stats.WriteBytes += counted * uint64(e.messages.length(k))
			}
		case syscall.EAGAIN, syscall.EINTR:
			return
		default:
			n = 1
			e.sendFailed(d, errno)
		}
		var left int64
		for range n {
			c := e.chunks.at(d.queue.first)
			left += c.len
			e.Complete(Completion{Kind: Released, User: c.user})
			e.chunks.pop(&d.queue)
		}
		e.Complete(Completion{Kind: Wrote, Fd: d.fd, Generation: d.generation, Len: left})
	}
	e.finishWriting(d)
}
