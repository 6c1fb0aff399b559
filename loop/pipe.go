package loop

import (
	"syscall"

	"goloop/internal/sys"
)

// A pipe is a stream in one direction: one end of a FIFO, a character device such
// as a terminal, or a socket that is used as one.
//
//	reading end: as any stream
//	writing end (hangup): paused for good ──ready to be read──▶ broken   (EOF is told once)
//
// A character device's writing end is watched for nothing but room.
//
// A pipe's O_NONBLOCK is shared with every process that has it open, and one of them may
// clear it. Its calls can wait then, and so tell the scheduler.

// hangUp tells that the reader of a pipe has gone, or sends what nobody reads.
// What is queued can no longer leave.
func (e *Engine) hangUp(d *descriptor) {
	if d.broken || d.ended {
		return
	}
	d.broken, d.ended = true, true
	e.dropQueue(d)
	e.Complete(Completion{Kind: EOF, Fd: d.fd, Generation: d.generation})
}

// resume starts reading. Of a pipe, the selector's refusal goes into Res and
// breaks nothing: epoll takes no /dev/null, and who reads from one has to hear of
// it where asyncio's add_reader raises.
func (e *Engine) resume(d *descriptor, s *Submission) {
	d.paused = d.hangup
	if !d.pipe {
		e.refresh(d)
		return
	}
	if err := e.setInterest(d, d.interest()); err != nil {
		s.Res = errnoOf(err)
		d.paused = true
	}
}

// receive reads what has come, up to n bytes to address p.
func (d *descriptor) receive(p uintptr, n int) (int, syscall.Errno) {
	if d.pipe {
		return sys.ReadTo(d.fd, p, n)
	}
	return sys.Recv(d.fd, p, n)
}

// send writes up to n bytes from address p.
func (d *descriptor) send(p uintptr, n int) (int, syscall.Errno) {
	if d.pipe {
		return sys.WriteFrom(d.fd, p, n)
	}
	return sys.Send(d.fd, p, n)
}

// sendVector writes the first count members of v.
func (d *descriptor) sendVector(v *vector, count int) (int, syscall.Errno) {
	if d.pipe {
		return sys.Writev(d.fd, &v.iov[0], count)
	}
	return v.send(d.fd, count)
}
