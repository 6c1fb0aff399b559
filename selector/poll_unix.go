//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package selector

import (
	"os"
	"time"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

func init() { backends["poll"] = newPoll }

// poll watches through poll(2), whose cost grows with the registered descriptors.
type poll struct {
	registry
	waker
	fds   []unix.PollFd // what poll takes: the waker, then the registered in no order
	place []int32       // where in fds a descriptor is; by descriptor
	last  int           // where in fds the last reported one is: the next search starts behind it
}

func newPoll() (Selector, error) {
	s := &poll{}
	if err := s.waker.open(); err != nil {
		return nil, err
	}
	s.reserved = s.source()
	s.fds = []unix.PollFd{{Fd: int32(s.source()), Events: unix.POLLIN}}
	return s, nil
}

func (s *poll) Name() string { return "poll" }

func (s *poll) Fd() int { return -1 }

// checkOpen returns EBADF for a closed descriptor. poll and select look at a
// descriptor only when they wait.
func checkOpen(fd int) error {
	_, err := sys.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return os.NewSyscallError("fcntl", err)
}

// pollEvents converts a set of directions to that of poll(2).
func pollEvents(events Events) int16 {
	var bits int16
	if events&EventRead != 0 {
		bits |= unix.POLLIN
	}
	if events&EventWrite != 0 {
		bits |= unix.POLLOUT
	}
	return bits
}

func (s *poll) Register(fd int, events Events, generation uint32) error {
	if err := s.mayRegister(fd, events); err != nil {
		return err
	}
	if err := checkOpen(fd); err != nil {
		return err
	}
	if fd >= len(s.place) {
		s.place = append(s.place, make([]int32, fd+1-len(s.place))...)
	}
	s.put(fd, entry{events, generation})
	s.place[fd] = int32(len(s.fds))
	s.fds = append(s.fds, unix.PollFd{Fd: int32(fd), Events: pollEvents(events)})
	return nil
}

func (s *poll) Modify(fd int, events Events, generation uint32) error {
	if err := s.mayModify(fd, events); err != nil {
		return err
	}
	if err := checkOpen(fd); err != nil {
		return err
	}
	s.put(fd, entry{events, generation})
	s.fds[s.place[fd]].Events = pollEvents(events)
	return nil
}

func (s *poll) Unregister(fd int) error {
	if err := s.mayUnregister(fd); err != nil {
		return err
	}
	s.drop(fd)
	end := len(s.fds) - 1
	moved := s.fds[end]
	s.fds[s.place[fd]] = moved
	s.place[moved.Fd] = s.place[fd]
	s.fds = s.fds[:end]
	return nil
}

func (s *poll) Select(events []Event, timeout time.Duration) (int, error) {
	if err := s.maySelect(events); err != nil {
		return 0, err
	}
	n, err := sys.Poll(s.fds, milliseconds(timeout))
	if err != nil {
		if err == unix.EINTR || err == unix.EAGAIN { // EAGAIN: short of memory, and the next may succeed
			return 0, nil
		}
		return 0, os.NewSyscallError("poll", err)
	}
	if n > 0 && s.fds[0].Revents != 0 {
		s.drain()
		n--
	}
	count, at := 0, s.last
	for range len(s.fds) - 1 {
		if count == n || count == len(events) {
			break
		}
		if at++; at >= len(s.fds) {
			at = 1
		}
		got := &s.fds[at]
		// A hang-up, an error or a closed descriptor, which are neither IN nor OUT,
		// are both directions.
		var ready Events
		if got.Revents&^unix.POLLOUT != 0 {
			ready = EventRead
		}
		if got.Revents&^unix.POLLIN != 0 {
			ready |= EventWrite
		}
		e := s.get(int(got.Fd))
		if ready &= e.events; ready == 0 {
			continue
		}
		events[count] = Event{got.Fd, e.generation, ready}
		count++
		s.last = at
	}
	return count, nil
}

func (s *poll) Close() error {
	if s.shut {
		return nil
	}
	s.forget()
	s.fds, s.place = nil, nil
	return s.waker.close()
}
