package loop

import (
	"math"
	"syscall"

	"goloop/selector"
)

// maxSockaddr is sizeof(struct sockaddr_storage).
const maxSockaddr = 128

// listen starts accepting on a listening, non-blocking socket.
func (e *Engine) listen(s *Submission) {
	if e.arena == nil {
		s.Res = int32(syscall.EINVAL)
		return
	}
	d := e.claim(s.Fd, s.Generation, listener)
	if d == nil {
		s.Res = int32(syscall.EBADF)
		return
	}
	d.most = int32(min(max(1, s.Len), math.MaxInt32))
	if err := e.setInterest(d, selector.EventRead); err != nil {
		s.Res = errnoOf(err)
		e.forget(d)
	}
}

// accept takes what waits, up to the listener's batch and the turn's room. Each
// new descriptor is non-blocking and closed on exec.
func (e *Engine) accept(d *descriptor) {
	for range d.most {
		if e.room() < minRoom || len(e.arena)-e.arenaEnd < maxSockaddr {
			return
		}
		buf := e.arena[e.arenaEnd : e.arenaEnd+maxSockaddr]
		fd, length, errno := e.vector.accept(d.fd, buf)
		switch errno {
		case 0:
		case syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED:
			return
		case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
			// Without descriptors the listener stays readable: rest as asyncio does,
			// lest the loop spin.
			e.setInterest(d, 0)
			e.meters.AcceptFailures += counted
			e.backOff(d, int32(errno))
			return
		default:
			e.meters.AcceptFailures += counted
			e.Complete(Completion{Kind: AcceptFailed, Fd: d.fd, Generation: d.generation, Res: int32(errno)})
			return
		}
		e.stats.Accepts += counted
		e.arenaEnd += maxSockaddr
		e.Complete(Completion{Kind: Accepted, Fd: d.fd, Generation: d.generation, Res: int32(fd), Ptr: address(buf), Len: int64(length)})
	}
}

// backOff tells why d rests, and wakes it in a second.
func (e *Engine) backOff(d *descriptor, errno int32) {
	d.backoff = e.timers.push(e.clock.now()+int64(backoffTime), uint32(d.fd), 0)
	if !d.backoff {
		_ = e.setInterest(d, selector.EventRead) // no memory for a timer: it spins, rather than accept no more
	}
	e.Complete(Completion{Kind: AcceptFailed, Flags: FlagBackoff, Fd: d.fd, Generation: d.generation, Res: errno})
}

// endBackoff lets a listener accept again. While the system is too short of memory to watch
// it, it goes on resting: a listener that is no longer watched would serve nobody, for ever.
func (e *Engine) endBackoff(fd int32) {
	if fd < 0 || int(fd) >= len(e.fds) {
		return
	}
	d := e.fds[fd]
	if d == nil || d.kind != listener || !d.backoff {
		return
	}
	d.backoff = false
	switch errno := errnoOf(e.setInterest(d, selector.EventRead)); syscall.Errno(errno) {
	case 0:
	case syscall.EBADF: // closed meanwhile
		e.Complete(Completion{Kind: AcceptFailed, Fd: d.fd, Generation: d.generation, Res: errno})
	default:
		e.backOff(d, errno)
	}
}
