package selector

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

func init() { backends["epoll"] = newEpoll }

// epoll watches through epoll(7), level-triggered. The 64 bits of data that the
// kernel hands back hold the descriptor and the generation.
type epoll struct {
	registry
	waker
	epfd   int
	raw    []unix.EpollEvent // what the kernel fills; as long as the longest slice yet
	pwait2 bool              // whether the system has epoll_pwait2 (Linux 5.11) and lets us call it
	limit  [2]int64          // the timeout of the current wait, a struct __kernel_timespec
	quiet  bool              // SetQuiet
	lost   int               // the last number that was seen to name another file,
	old    uint32            // and the generation under which the one before may still be watched
	stale  bool              // a rebuild is due that no orphan shows
	woken  bool              // Woken
	haste  haste
	bell   bell
}

// pollEvery is after how many waits with a timeout one begins with a poll again.
const pollEvery = 16

// haste tells which waits with a timeout begin with a poll. To the kernel a timeout
// costs half as much as the rest of the call, also when something is ready
// (docs/rationale.md). Where the last poll found something, the next wait polls.
type haste struct {
	ready bool
	waits int
}

func (h *haste) polls() bool {
	h.waits++
	return h.ready || h.waits%pollEvery == 0
}

// wakerData stands for the waker where an event has its descriptor.
const wakerData = -1

func newEpoll() (Selector, error) {
	s := &epoll{pwait2: true, quiet: true, lost: -1}
	if err := s.waker.open(); err != nil {
		return nil, err
	}
	epfd, err := s.openEpoll()
	if err != nil {
		return nil, errors.Join(err, s.waker.close())
	}
	s.epfd = epfd
	s.reserved = s.source()
	return s, nil
}

// openEpoll returns a new epoll descriptor with the waker in it, edge-triggered.
func (s *epoll) openEpoll() (int, error) {
	epfd, err := sys.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("epoll_create1", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakerData}
	if err := sys.EpollCtl(epfd, unix.EPOLL_CTL_ADD, s.source(), &ev); err != nil {
		return -1, errors.Join(os.NewSyscallError("epoll_ctl", err), sys.Close(epfd))
	}
	return epfd, nil
}

func (s *epoll) Name() string { return "epoll" }

func (s *epoll) Fd() int { return s.epfd }

func (s *epoll) Woken() bool { return s.woken }

func (s *epoll) SetQuiet(quiet bool) (parks bool) {
	s.quiet = quiet
	return quiet
}

func (s *epoll) Bell() (word *uint32, silent uint32) {
	if s.shut || s.stale || !s.bell.listen(s.epfd) {
		return nil, 0
	}
	return s.bell.tail(), s.bell.silent
}

// control asks the kernel to make e the registration of fd in epfd. Where ADD meets
// EEXIST, fd was closed while registered, and dup2 has since put the same open file,
// which another descriptor kept alive, at the number.
func control(epfd, op, fd int, e entry) error {
	ev := unix.EpollEvent{Fd: int32(fd), Pad: int32(e.generation)}
	if e.events&EventRead != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if e.events&EventWrite != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	err := sys.EpollCtl(epfd, op, fd, &ev)
	if op == unix.EPOLL_CTL_ADD && err == unix.EEXIST {
		err = sys.EpollCtl(epfd, unix.EPOLL_CTL_MOD, fd, &ev)
	}
	return os.NewSyscallError("epoll_ctl", err)
}

func (s *epoll) Register(fd int, events Events, generation uint32) error {
	if err := s.mayRegister(fd, events); err != nil {
		return err
	}
	e := entry{events, generation}
	if err := control(s.epfd, unix.EPOLL_CTL_ADD, fd, e); err != nil {
		return err
	}
	// Under another generation the file before shows as an orphan.
	s.stale = s.stale || fd == s.lost && generation == s.old
	s.put(fd, e)
	return nil
}

func (s *epoll) Modify(fd int, events Events, generation uint32) error {
	if err := s.mayModify(fd, events); err != nil {
		return err
	}
	e := entry{events, generation}
	if err := control(s.epfd, unix.EPOLL_CTL_MOD, fd, e); err != nil {
		if errors.Is(err, unix.ENOENT) { // the file that was registered is closed, and fd names another
			s.lost, s.old = fd, s.get(fd).generation
			s.drop(fd)
			if s.keeps(fd) {
				return ErrMoved
			}
			return ErrReplaced
		}
		return err
	}
	s.put(fd, e)
	return nil
}

func (s *epoll) Unregister(fd int) error {
	if err := s.mayUnregister(fd); err != nil {
		return err
	}
	// Every error means that the kernel does not know fd: it is closed (EBADF), or
	// names another file (ENOENT) or one that cannot be watched (EPERM).
	if err := sys.EpollCtl(s.epfd, unix.EPOLL_CTL_DEL, fd, nil); err == unix.ENOENT {
		s.lost, s.old = fd, s.get(fd).generation
	}
	s.drop(fd)
	return nil
}

func (s *epoll) Select(events []Event, timeout time.Duration) (int, error) {
	if err := s.maySelect(events); err != nil {
		return 0, err
	}
	if len(events) > len(s.raw) {
		s.raw = make([]unix.EpollEvent, len(events))
	}
	if s.stale && s.rebuild() == nil {
		s.stale = false
	}
	n, errno := s.wait(len(events), timeout)
	if errno != 0 {
		if errno == unix.EINTR {
			return 0, nil
		}
		return 0, os.NewSyscallError("epoll_wait", errno)
	}
	count, orphan := 0, false
	s.woken = false
	for i := range s.raw[:n] {
		raw := &s.raw[i]
		e := s.get(int(raw.Fd))
		if e.events == 0 || e.generation != uint32(raw.Pad) {
			s.woken = s.woken || raw.Fd == wakerData
			orphan = orphan || raw.Fd != wakerData
			continue
		}
		// A hang-up or an error, which are neither IN nor OUT, are both directions.
		var ready Events
		if raw.Events&^unix.EPOLLOUT != 0 {
			ready = EventRead
		}
		if raw.Events&^unix.EPOLLIN != 0 {
			ready |= EventWrite
		}
		if ready &= e.events; ready == 0 {
			continue
		}
		events[count] = Event{raw.Fd, e.generation, ready}
		count++
	}
	if orphan {
		// An error means that the system is short of descriptors or of memory. The
		// orphan ends the next wait as well, which tries again.
		_ = s.rebuild()
	}
	return count, nil
}

// poll takes the events that there are, at most limit.
func (s *epoll) poll(limit int) (int, syscall.Errno) {
	return sys.EpollPwait(syscall.RawSyscall6, s.epfd, &s.raw[0], limit, 0)
}

// wait is one wait of the kernel for at most limit events. A wait that can block
// goes through Syscall6, which lends our processor to other goroutines and to the
// collector meanwhile; one that cannot does without that cost.
func (s *epoll) wait(limit int, timeout time.Duration) (int, syscall.Errno) {
	if timeout == 0 {
		return s.poll(limit)
	}
	if timeout > 0 && s.haste.polls() {
		n, errno := s.poll(limit)
		s.haste.ready = n > 0
		if n != 0 {
			return n, errno
		}
	}
	blocking := syscall.Syscall6
	if s.quiet {
		blocking = parkedSyscall6
	}
	if s.pwait2 && timeout > 0 && timeout%time.Millisecond != 0 {
		timeout = min(timeout, maxWait)
		s.limit = [2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
		n, errno := sys.EpollPwait2(blocking, s.epfd, &s.raw[0], limit, &s.limit)
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return n, errno
		}
		s.pwait2 = false // an older kernel, or a container's filter
	}
	return sys.EpollPwait(blocking, s.epfd, &s.raw[0], limit, milliseconds(timeout))
}

// keeps tells whether the kernel still watches a file that fd named before.
func (s *epoll) keeps(fd int) bool {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", s.epfd))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(info)) {
		var target int
		if _, err := fmt.Sscanf(line, "tfd: %d", &target); err == nil && target == fd {
			return true
		}
	}
	return false
}

// rebuild gets rid of orphans: files that the kernel still watches although their
// descriptor was closed before Unregister, because a dup or a forked process
// keeps them open. No call can take one out, and a ready one would end every
// wait. So a new epoll takes what is registered and then the old one's number.
func (s *epoll) rebuild() error {
	epfd, err := s.openEpoll()
	if err != nil {
		return err
	}
	defer sys.Close(epfd)
	s.bell.leave()
	for fd, e := range s.entries {
		if e.events == 0 {
			continue
		}
		// A descriptor that is closed, or is now a file that cannot be watched, was
		// not watched before either.
		err := control(epfd, unix.EPOLL_CTL_ADD, fd, e)
		if err != nil && !errors.Is(err, unix.EBADF) && !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	return os.NewSyscallError("dup3", sys.Dup3(epfd, s.epfd, unix.O_CLOEXEC))
}

func (s *epoll) Close() error {
	if s.shut {
		return nil
	}
	epfd := s.epfd
	s.epfd = -1
	s.bell.close()
	s.forget()
	return errors.Join(os.NewSyscallError("close", sys.Close(epfd)), s.waker.close())
}
