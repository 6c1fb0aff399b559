// Package selector tells which file descriptors are ready and lets another
// thread end the wait.
//
// It knows descriptors, the direction of interest, a generation that it hands
// back unread, and nothing else: no loop, no callback, no buffer. All methods
// of a Selector belong to the one thread that runs the loop, except Wake, which
// any thread may call at any time until Close.
package selector

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Events is a set of directions: what a caller is interested in, or what is
// ready. The words are those of Python's selectors module.
type Events uint32

const (
	// EventRead means that a read, an accept or a receive will not block: there
	// are data, an end of file or an error to fetch.
	EventRead Events = 1 << 0
	// EventWrite means that a write will not block, or that a connect has ended.
	EventWrite Events = 1 << 1

	allEvents = EventRead | EventWrite
)

// Event is one ready descriptor. A hang-up or an error on a descriptor is
// reported as every direction that is registered for it, as Python's selectors
// report it: the read or the write then fetches the error.
type Event struct {
	Fd         int32
	Generation uint32 // as given to the last Register or Modify
	Ready      Events // never zero
}

// Errors of the registry, to be compared with errors.Is. Errors of the system
// arrive as *os.SyscallError, with the errno inside.
var (
	ErrRegistered    = errors.New("selector: descriptor is already registered")
	ErrNotRegistered = errors.New("selector: descriptor is not registered")
	ErrInvalid       = errors.New("selector: invalid descriptor or set of events")
	ErrReplaced      = errors.New("selector: descriptor names another file than the registered one")
	ErrMoved         = fmt.Errorf("%w, which is open elsewhere", ErrReplaced)
	ErrClosed        = errors.New("selector: closed")
)

// Selector is the contract that every backend keeps. It is level-triggered: a
// descriptor is reported by every Select until its condition has gone.
type Selector interface {
	// Name is the word that New takes: "epoll", "kqueue", "poll" or "select".
	Name() string

	// Register adds fd with a non-empty set of events. The generation comes back
	// in every Event of this registration. Errors: ErrRegistered (also for the
	// descriptor that Wake makes readable), ErrInvalid (a negative descriptor, one
	// that select(2) cannot hold, an empty or unknown set of events), or the
	// system's (EBADF for a closed descriptor, EPERM for a regular file where the
	// system refuses to watch one).
	//
	// A descriptor should leave the registry before it is closed. One that was
	// closed while registered stays registered until Unregister: epoll and kqueue
	// report it no more, poll and select report all its directions. A number
	// that the system has given out again meanwhile is still ErrRegistered here.
	Register(fd int, events Events, generation uint32) error

	// Modify replaces the events and the generation. Errors: ErrNotRegistered,
	// ErrInvalid, or the system's (EBADF for a closed descriptor), after which the old
	// events and generation stand; ErrReplaced when the number was closed and given out
	// again since Register, after which it is registered no more; ErrMoved, which is an
	// ErrReplaced, when the file before is still open, as after dup(2) and dup2(2). Only epoll can tell:
	// the others take hold of the number's new file.
	Modify(fd int, events Events, generation uint32) error

	// Unregister forgets fd. When fd has been closed already it still forgets it
	// and returns nil. Error: ErrNotRegistered.
	Unregister(fd int) error

	// Select fills events from the start and returns how many are ready. It waits
	// until one is, until Wake, or until timeout has passed: a negative timeout
	// waits without limit, zero does not wait. It never returns before the timeout
	// without a reason, and rounds up to what the system can express. When more
	// descriptors are ready than events holds, the rest is reported later, and none
	// starves. A signal ends the wait with 0, nil. Waking is not an Event.
	//
	// The limit of a wait is 24 h, as asyncio's: a longer timeout counts as that.
	// Select allocates only when a slice is longer than any before. Errors:
	// ErrInvalid for an empty slice, or the system's; after an error no event is
	// lost.
	Select(events []Event, timeout time.Duration) (int, error)

	// SetQuiet tells whether the waits to come are expected to last: of one that does,
	// Select may cost less if it costs more at both ends. A new Selector expects it. The answer: whether
	// such a wait gives up the processor of Go's scheduler that the thread has.
	SetQuiet(quiet bool) (parks bool)

	// Bell returns a word of memory and what it holds while Select would find nothing: once it holds anything else, look.
	// That holds from the call until the next Select, and the word can be read at any time. nil: this backend, or the system, cannot
	// tell, or not now.
	Bell() (word *uint32, silent uint32)

	// Len is the number of registered descriptors.
	Len() int

	// Fd is the backend's own descriptor (of epoll, kqueue) or -1.
	Fd() int

	// Wake ends the current Select, or the next one if none is waiting, at once.
	// Many calls before one Select may count as one. Any thread; after Close it
	// gives ErrClosed and touches no descriptor.
	Wake() error

	// Woken tells whether Wake ended the last Select, which brought nothing else. Only epoll can tell.
	Woken() bool

	// WakeFd is the descriptor on which writing the eight bytes of a native
	// uint64(1) does what Wake does: for signal handlers and for C. It is
	// non-blocking; a write that would block may be ignored, for then a wake-up is
	// already pending. Its writers must stop before Close, which frees the number
	// for other uses.
	WakeFd() int

	// Close frees the descriptors. Every later call gives ErrClosed, Len 0, Fd and
	// WakeFd -1, a second Close nil.
	Close() error
}

// backends holds what this system has; each backend's file adds its own.
var backends = map[string]func() (Selector, error){}

// preference lists the backends from the best to the last resort.
var preference = []string{"epoll", "kqueue", "poll", "select"}

// Backends names what this system has, the best first.
func Backends() []string {
	return slices.DeleteFunc(slices.Clone(preference), func(name string) bool { return backends[name] == nil })
}

// best is the first of Backends, which each loop asks for.
var best = sync.OnceValue(func() func() (Selector, error) { return backends[Backends()[0]] })

// New opens the named backend, or the best of this system when name is empty.
func New(name string) (Selector, error) {
	if name == "" {
		return best()()
	}
	open := backends[name]
	if open == nil {
		known := Backends()
		sort.Strings(known)
		return nil, fmt.Errorf("selector: no backend %q on this system (it has %s)", name, strings.Join(known, ", "))
	}
	return open()
}
