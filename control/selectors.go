package control

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"goloop/selector"
)

// A bound selector may be used by any thread: what changes it ends a wait that is under way, and the wait
// goes on after.
type bound struct {
	selector.Selector
	mu      sync.Mutex
	events  []selector.Event
	changes atomic.Int32 // that wait for mu, and come before the next wait
}

const moment = 20 * time.Microsecond

// lock is for a change: it waits for no longer than another thread's takes.
func (b *bound) lock() {
	b.changes.Add(1)
	defer b.changes.Add(-1)
	for !b.mu.TryLock() {
		_ = b.Wake()
		time.Sleep(moment)
	}
}

// lockToWait is for a wait.
func (b *bound) lockToWait() {
	for b.changes.Load() > 0 || !b.mu.TryLock() {
		time.Sleep(moment)
	}
}

var selectors = struct {
	sync.Mutex
	last int64
	open map[int64]*bound
}{open: map[int64]*bound{}}

func selectorOf(handle int64) *bound {
	selectors.Lock()
	defer selectors.Unlock()
	return selectors.open[handle]
}

// SelectorBackends names the selectors of this system, the best first, with a blank between two.
func SelectorBackends() string { return strings.Join(selector.Backends(), " ") }

// SelectorOpen opens the named selector and returns its handle. Errors: EINVAL for a name that this system has not, or the system's.
func SelectorOpen(name string) (handle int64) {
	defer failed(&handle)
	s, err := selector.New(name)
	if err != nil {
		return errnoOf(err)
	}
	selectors.Lock()
	defer selectors.Unlock()
	selectors.last++
	selectors.open[selectors.last] = &bound{Selector: s}
	return selectors.last
}

// SelectorFd is the selector's own descriptor. Errors: EBADF for a closed one, ENOTSUP for one that has none.
func SelectorFd(handle int64) (fd int64) {
	defer failed(&fd)
	b := selectorOf(handle)
	if b == nil {
		return -int64(syscall.EBADF)
	}
	if fd = int64(b.Fd()); fd < 0 {
		return -int64(syscall.ENOTSUP)
	}
	return fd
}

// SelectorRegister adds fd. Errors: EBADF for a closed selector or descriptor, EEXIST, EINVAL, or the system's.
func SelectorRegister(handle, fd, events int64) (rc int64) {
	defer failed(&rc)
	return change(handle, func(b *bound) error { return b.Register(int(fd), selector.Events(events), 0) })
}

// SelectorModify replaces the events of fd. Errors: those of SelectorRegister; ENOENT for one that is not registered.
func SelectorModify(handle, fd, events int64) (rc int64) {
	defer failed(&rc)
	return change(handle, func(b *bound) error { return b.Modify(int(fd), selector.Events(events), 0) })
}

// SelectorUnregister forgets fd. Error: ENOENT for one that is not registered.
func SelectorUnregister(handle, fd int64) (rc int64) {
	defer failed(&rc)
	return change(handle, func(b *bound) error { return b.Unregister(int(fd)) })
}

func change(handle int64, f func(*bound) error) int64 {
	b := selectorOf(handle)
	if b == nil {
		return -int64(syscall.EBADF)
	}
	b.lock()
	defer b.mu.Unlock()
	if err := f(b); err != nil {
		return errnoOf(err)
	}
	return 0
}

// SelectorSelect waits up to so many seconds, for ever when negative, and returns what is ready as "fd events fd events …". It is empty
// when the time is over, and earlier when a signal or a change of another thread has ended the wait. An error is "!" and an errno.
func SelectorSelect(handle int64, timeout float64) (ready string) {
	defer func() {
		if recover() != nil {
			ready = "!" + strconv.Itoa(int(syscall.EFAULT))
		}
	}()
	b := selectorOf(handle)
	if b == nil {
		return "!" + strconv.Itoa(int(syscall.EBADF))
	}
	b.lockToWait()
	defer b.mu.Unlock()
	if want := max(b.Len(), 1); len(b.events) < want {
		b.events = make([]selector.Event, 2*want)
	}
	n, err := b.Select(b.events, duration(timeout))
	if err != nil {
		return "!" + strconv.FormatInt(-errnoOf(err), 10)
	}
	out := make([]byte, 0, 8*n)
	for _, ev := range b.events[:n] {
		out = strconv.AppendInt(out, int64(ev.Fd), 10)
		out = append(out, ' ')
		out = strconv.AppendUint(out, uint64(ev.Ready), 10)
		out = append(out, ' ')
	}
	return string(out)
}

// duration is so many seconds; a negative one is without limit.
func duration(seconds float64) time.Duration {
	switch day := 24 * time.Hour; {
	case seconds < 0:
		return -1
	case seconds > day.Seconds():
		return day
	default:
		return time.Duration(seconds * float64(time.Second))
	}
}

// SelectorClose closes a selector. Twice is once. Error: the system's.
func SelectorClose(handle int64) (rc int64) {
	defer failed(&rc)
	selectors.Lock()
	b := selectors.open[handle]
	delete(selectors.open, handle)
	selectors.Unlock()
	if b == nil {
		return 0
	}
	b.lock()
	defer b.mu.Unlock()
	if err := b.Close(); err != nil {
		return errnoOf(err)
	}
	return 0
}
