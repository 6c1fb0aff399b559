package selector

import (
	"math"
	"time"
)

// maxWait bounds one wait: asyncio's MAXIMUM_SELECT_TIMEOUT, which every system
// can express (epoll_wait and poll end at 24.8 days).
const maxWait = 24 * time.Hour

// milliseconds converts a timeout to what epoll_wait and poll take, rounded up;
// -1 waits without limit.
func milliseconds(timeout time.Duration) int {
	if timeout < 0 {
		return -1
	}
	return int((min(timeout, maxWait) + time.Millisecond - 1) / time.Millisecond)
}

// entry is the registration of one descriptor. Without events there is none.
type entry struct {
	events     Events
	generation uint32
}

// registry holds what every backend knows of its descriptors. It is indexed by
// descriptor: the system gives out the lowest free number, so the slice is no
// longer than the most descriptors that were open at once, at 8 bytes each.
type registry struct {
	entries  []entry
	count    int // entries with events
	reserved int // the waker's descriptor, which is not for callers
	shut     bool
}

// get returns the entry of fd, which is the zero one when fd is unknown.
func (r *registry) get(fd int) entry {
	if uint(fd) < uint(len(r.entries)) {
		return r.entries[fd]
	}
	return entry{}
}

// put stores e for fd. It is called once the system has accepted fd, which
// bounds the slice by the highest open descriptor.
func (r *registry) put(fd int, e entry) {
	if fd >= len(r.entries) {
		r.entries = append(r.entries, make([]entry, fd+1-len(r.entries))...)
	}
	if r.entries[fd].events == 0 {
		r.count++
	}
	r.entries[fd] = e
}

// drop forgets fd, which is registered.
func (r *registry) drop(fd int) {
	r.entries[fd] = entry{}
	r.count--
}

// forget drops everything and refuses what comes later.
func (r *registry) forget() {
	*r = registry{shut: true}
}

// mayRegister tells what is wrong with Register before the system is asked. The
// system takes a C int for a descriptor: a larger one would be cut to another.
func (r *registry) mayRegister(fd int, events Events) error {
	switch {
	case r.shut:
		return ErrClosed
	case fd < 0 || fd > math.MaxInt32 || events == 0 || events&^allEvents != 0:
		return ErrInvalid
	case fd == r.reserved || r.get(fd).events != 0:
		return ErrRegistered
	}
	return nil
}

// mayModify tells what is wrong with Modify before the system is asked.
func (r *registry) mayModify(fd int, events Events) error {
	switch {
	case r.shut:
		return ErrClosed
	case r.get(fd).events == 0:
		return ErrNotRegistered
	case events == 0 || events&^allEvents != 0:
		return ErrInvalid
	}
	return nil
}

// mayUnregister tells what is wrong with Unregister before the system is asked.
func (r *registry) mayUnregister(fd int) error {
	switch {
	case r.shut:
		return ErrClosed
	case r.get(fd).events == 0:
		return ErrNotRegistered
	}
	return nil
}

// maySelect tells what is wrong with Select before the system is asked.
func (r *registry) maySelect(events []Event) error {
	switch {
	case r.shut:
		return ErrClosed
	case len(events) == 0:
		return ErrInvalid
	}
	return nil
}

// SetQuiet is of no use to a backend that has none of its own.
func (r *registry) SetQuiet(bool) bool { return false }

// Bell is nil for a backend that has none of its own.
func (r *registry) Bell() (*uint32, uint32) { return nil, 0 }

// Woken is false for a backend that cannot tell.
func (r *registry) Woken() bool { return false }

// Len is the number of registered descriptors.
func (r *registry) Len() int { return r.count }
