//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package selector

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

func init() { backends["select"] = newSelect }

// setSize is FD_SETSIZE: select(2) takes the descriptors below it, 1024 as a rule.
const setSize = int(unsafe.Sizeof(unix.FdSet{})) * 8

// errSetSize refuses a descriptor that would lie outside the sets of select(2).
var errSetSize = fmt.Errorf("%w: select takes descriptors below %d (FD_SETSIZE)", ErrInvalid, setSize)

// selectSets watches through select(2), the last resort.
type selectSets struct {
	registry
	waker
	wantRead, wantWrite unix.FdSet // what is registered, and the waker
	gotRead, gotWrite   unix.FdSet // what the last select has left of them
	last                int        // the last reported descriptor: the next search starts behind it
	limit               unix.Timeval
}

func newSelect() (Selector, error) {
	s := &selectSets{}
	if err := s.waker.open(); err != nil {
		return nil, err
	}
	if s.source() >= setSize {
		return nil, errors.Join(errSetSize, s.waker.close())
	}
	s.reserved = s.source()
	s.wantRead.Set(s.source())
	return s, nil
}

func (s *selectSets) Name() string { return "select" }

func (s *selectSets) Fd() int { return -1 }

// timeval converts a timeout to what select takes, microseconds, rounded up.
func timeval(timeout time.Duration) unix.Timeval {
	timeout = min(timeout, maxWait) + time.Microsecond - 1
	return unix.NsecToTimeval(int64(timeout.Truncate(time.Microsecond)))
}

// want makes the sets hold fd in the directions of events.
func (s *selectSets) want(fd int, events Events) {
	s.wantRead.Clear(fd)
	s.wantWrite.Clear(fd)
	if events&EventRead != 0 {
		s.wantRead.Set(fd)
	}
	if events&EventWrite != 0 {
		s.wantWrite.Set(fd)
	}
}

func (s *selectSets) Register(fd int, events Events, generation uint32) error {
	if err := s.mayRegister(fd, events); err != nil {
		return err
	}
	if fd >= setSize {
		return errSetSize
	}
	if err := checkOpen(fd); err != nil {
		return err
	}
	s.put(fd, entry{events, generation})
	s.want(fd, events)
	return nil
}

func (s *selectSets) Modify(fd int, events Events, generation uint32) error {
	if err := s.mayModify(fd, events); err != nil {
		return err
	}
	if err := checkOpen(fd); err != nil {
		return err
	}
	s.put(fd, entry{events, generation})
	s.want(fd, events)
	return nil
}

func (s *selectSets) Unregister(fd int) error {
	if err := s.mayUnregister(fd); err != nil {
		return err
	}
	s.drop(fd)
	s.want(fd, 0)
	return nil
}

func (s *selectSets) Select(events []Event, timeout time.Duration) (int, error) {
	if err := s.maySelect(events); err != nil {
		return 0, err
	}
	var limit *unix.Timeval
	if timeout >= 0 {
		s.limit = timeval(timeout)
		limit = &s.limit
	}
	s.gotRead, s.gotWrite = s.wantRead, s.wantWrite
	_, err := sys.Select(max(len(s.entries), s.source()+1), &s.gotRead, &s.gotWrite, nil, limit)
	if err == unix.EBADF && s.markClosed() {
		err = nil
	}
	if err != nil {
		if err == unix.EINTR {
			return 0, nil
		}
		return 0, os.NewSyscallError("select", err)
	}
	if s.gotRead.IsSet(s.source()) {
		s.drain()
	}
	count, fd := 0, s.last
	for range len(s.entries) {
		if count == len(events) {
			break
		}
		if fd++; fd >= len(s.entries) {
			fd = 0
		}
		var ready Events
		if s.gotRead.IsSet(fd) {
			ready = EventRead
		}
		if s.gotWrite.IsSet(fd) {
			ready |= EventWrite
		}
		e := s.entries[fd]
		if ready &= e.events; ready == 0 {
			continue
		}
		events[count] = Event{int32(fd), e.generation, ready}
		count++
		s.last = fd
	}
	return count, nil
}

// markClosed makes the result the closed descriptors, in all their directions,
// and reports whether there are any. select(2) fails as a whole because of one.
func (s *selectSets) markClosed() bool {
	s.gotRead.Zero()
	s.gotWrite.Zero()
	found := false
	for fd, e := range s.entries {
		if e.events != 0 && checkOpen(fd) != nil {
			s.gotRead.Set(fd)
			s.gotWrite.Set(fd)
			found = true
		}
	}
	return found
}

func (s *selectSets) Close() error {
	if s.shut {
		return nil
	}
	s.forget()
	return s.waker.close()
}
