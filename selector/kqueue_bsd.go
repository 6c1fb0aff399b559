//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package selector

import (
	"errors"
	"os"
	"syscall"
	"time"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

func init() { backends["kqueue"] = newKqueue }

// kqueue watches through kqueue(2), level-triggered. Each direction of a descriptor
// is a filter of its own; Select makes one Event of the two. The kernel drops the
// filters of a closed descriptor, so the generation is that of the registry.
type kqueue struct {
	registry
	waker
	kq     int
	change [1]unix.Kevent_t
	raw    []unix.Kevent_t // what the kernel fills; as long as the longest slice yet
	place  []int32         // by descriptor: 1 + where in events the current Select has put it
	limit  unix.Timespec   // the timeout of the current wait
}

// filters pairs each direction with the filter that watches for it.
var filters = [...]struct {
	events Events
	filter int
}{
	{EventRead, unix.EVFILT_READ},
	{EventWrite, unix.EVFILT_WRITE},
}

func newKqueue() (Selector, error) {
	s := &kqueue{raw: make([]unix.Kevent_t, 64)}
	if err := s.waker.open(); err != nil {
		return nil, err
	}
	// The lock keeps a process that another goroutine starts from inheriting the
	// queue before it is marked.
	syscall.ForkLock.RLock()
	kq, err := sys.Kqueue()
	if err == nil {
		sys.CloseOnExec(kq)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("kqueue", err), s.waker.close())
	}
	s.kq = kq
	s.reserved = s.source()
	if err := s.apply(s.source(), unix.EVFILT_READ, unix.EV_ADD); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *kqueue) Name() string { return "kqueue" }

func (s *kqueue) Fd() int { return s.kq }

// apply makes one change to one filter of fd. The kernel has made it also when
// it says EINTR.
func (s *kqueue) apply(fd, filter, flags int) error {
	unix.SetKevent(&s.change[0], fd, filter, flags)
	_, err := sys.Kevent(s.kq, s.change[:], nil, nil)
	if err == unix.EINTR {
		err = nil
	}
	return os.NewSyscallError("kevent", err)
}

// replace makes the filters of fd those of to, where they were those of from.
// Filters that from holds are added again: adding twice is harmless, and they are
// gone when the number was closed and given out again. After an error the
// filters are those of from.
func (s *kqueue) replace(fd int, from, to Events) error {
	for _, f := range filters {
		if to&f.events == 0 {
			continue
		}
		if err := s.apply(fd, f.filter, unix.EV_ADD); err != nil {
			s.remove(fd, to&^from)
			return err
		}
	}
	s.remove(fd, from&^to)
	return nil
}

// remove deletes the filters of fd for events. An error means that the kernel
// has none: fd is closed (EBADF) or names another file (ENOENT).
func (s *kqueue) remove(fd int, events Events) {
	for _, f := range filters {
		if events&f.events != 0 {
			_ = s.apply(fd, f.filter, unix.EV_DELETE)
		}
	}
}

func (s *kqueue) Register(fd int, events Events, generation uint32) error {
	if err := s.mayRegister(fd, events); err != nil {
		return err
	}
	if err := s.replace(fd, 0, events); err != nil {
		return err
	}
	if fd >= len(s.place) {
		s.place = append(s.place, make([]int32, fd+1-len(s.place))...)
	}
	s.put(fd, entry{events, generation})
	return nil
}

func (s *kqueue) Modify(fd int, events Events, generation uint32) error {
	if err := s.mayModify(fd, events); err != nil {
		return err
	}
	if err := s.replace(fd, s.get(fd).events, events); err != nil {
		return err
	}
	s.put(fd, entry{events, generation})
	return nil
}

func (s *kqueue) Unregister(fd int) error {
	if err := s.mayUnregister(fd); err != nil {
		return err
	}
	s.remove(fd, s.get(fd).events)
	s.drop(fd)
	return nil
}

func (s *kqueue) Select(events []Event, timeout time.Duration) (int, error) {
	if err := s.maySelect(events); err != nil {
		return 0, err
	}
	if len(events) > len(s.raw) {
		s.raw = make([]unix.Kevent_t, len(events))
	}
	var limit *unix.Timespec
	if timeout >= 0 {
		s.limit = unix.NsecToTimespec(int64(min(timeout, maxWait)))
		limit = &s.limit
	}
	n, err := sys.Kevent(s.kq, nil, s.raw[:len(events)], limit)
	if err != nil {
		if err == unix.EINTR {
			return 0, nil
		}
		return 0, os.NewSyscallError("kevent", err)
	}
	count := 0
	for i := range s.raw[:n] {
		fd := int(s.raw[i].Ident)
		if fd == s.source() {
			s.drain()
			continue
		}
		ready := EventWrite
		if s.raw[i].Filter == unix.EVFILT_READ {
			ready = EventRead
		}
		e := s.get(fd)
		if ready &= e.events; ready == 0 {
			continue
		}
		if s.place[fd] != 0 {
			events[s.place[fd]-1].Ready |= ready
			continue
		}
		events[count] = Event{int32(fd), e.generation, ready}
		count++
		s.place[fd] = int32(count)
	}
	for i := range events[:count] {
		s.place[events[i].Fd] = 0
	}
	return count, nil
}

func (s *kqueue) Close() error {
	if s.shut {
		return nil
	}
	kq := s.kq
	s.kq = -1
	s.forget()
	return errors.Join(os.NewSyscallError("close", sys.Close(kq)), s.waker.close())
}
