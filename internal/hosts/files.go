// Package hosts reads the files from which libc answers questions about names, and tells whether they are as they were.
//
// It answers no question itself: what a file means is libc's to say. It knows which names and addresses libc finds in the
// hosts file before it asks any other source, and is silent where it is not certain.
package hosts

import (
	"math/bits"
	"sync"
	"syscall"
	"time"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// Set is some of the files.
type Set uint8

// The files. libc reads host.conf once in a process, so that a change of it changes no later answer.
const (
	Switch    Set = 1 << iota // nsswitch.conf: which sources a database has
	Hosts                     // the first source of names
	Order                     // gai.conf: which of several addresses comes first
	Services                  // names of ports
	Database                  // of services: glibc's path
	DebiansDB                 // and Debian's
	All       Set = 1<<iota - 1

	Parsed = Switch | Hosts // what a Table is made of

	files = 6
)

// State is what stat(2) says of a file: a file that has changed has another. The zero State is that of no file.
type State struct {
	dev, ino           uint64
	size, mtime, ctime int64
	errno              syscall.Errno
}

// States are those of some files, and zero of the others.
type States [files]State

// Files are those of one system.
type Files struct {
	paths [files]string

	mu    sync.Mutex
	of    States // when table was read; of Parsed
	table *Table
}

// System are those that libc reads.
var System = Under("")

// Under is the files of a system whose root is a directory.
func Under(root string) *Files {
	return &Files{paths: [files]string{
		root + "/etc/nsswitch.conf", root + "/etc/hosts", root + "/etc/gai.conf", root + "/etc/services",
		root + "/var/db/services.db", root + "/var/lib/misc/services.db",
	}}
}

// Path is that of one file.
func (f *Files) Path(file Set) string { return f.paths[bits.TrailingZeros8(uint8(file))] }

// States asks the system. Any thread.
func (f *Files) States(of Set) (states States) {
	f.Add(&states, of)
	return states
}

// Add asks for more.
func (f *Files) Add(states *States, of Set) {
	for i := range files {
		if of&(1<<i) != 0 {
			states[i] = stateOf(f.paths[i])
		}
	}
}

func stateOf(path string) State {
	var s unix.Stat_t
	return stateFrom(&s, sys.Stat(path, &s))
}

func stateFrom(s *unix.Stat_t, err error) State {
	if err != nil {
		errno, _ := err.(syscall.Errno)
		return State{errno: max(errno, 1)}
	}
	return State{dev: uint64(s.Dev), ino: s.Ino, size: s.Size, mtime: s.Mtim.Nano(), ctime: s.Ctim.Nano()}
}

// Of is the states of fewer files.
func (s States) Of(some Set) States {
	for i := range s {
		if some&(1<<i) == 0 {
			s[i] = State{}
		}
	}
	return s
}

// tick is more than the steps in which any file system counts time, the longest of which are FAT's.
const tick = 2*time.Second + 100*time.Millisecond

// Settled is whether the next change of a file will show in its state, as it does when the last one was not just now: two
// changes within one step of the kernel's clock give the same times. A file that is not there is settled; one that
// the system does not tell of is not.
func (s *States) Settled(now time.Time) bool {
	settled := func(t int64) bool {
		age := now.UnixNano() - t
		return age > int64(tick) || age < -int64(tick)
	}
	for _, state := range s {
		switch {
		case state == (State{}) || state.errno == syscall.ENOENT:
		case state.errno != 0 || !settled(state.mtime) || !settled(state.ctime):
			return false
		}
	}
	return true
}

// Table is what the files say that are in these states; nil when they are not settled, or not in these states any more.
// Any thread.
func (f *Files) Table(states States, now time.Time) *Table {
	states = states.Of(Parsed)
	if !states.Settled(now) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == states {
		return f.table
	}
	nsswitch, known := f.read(0, &states)
	hosts, both := f.read(1, &states)
	if !known || !both {
		return nil
	}
	f.of, f.table = states, newTable(nsswitch, hosts)
	return f.table
}

// largest file that is read: a longer one is libc's alone.
const largest = 256 << 10

// read is the text of the file that is in a state; nothing for none, and for one that is too large. False: it cannot be read now.
func (f *Files) read(i int, states *States) (string, bool) {
	if states[i].errno != 0 {
		return "", true
	}
	fd, err := sys.Open(f.paths[i], unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK)
	if err != nil {
		return "", false
	}
	defer sys.Close(fd)
	var s unix.Stat_t
	if stateFrom(&s, sys.Fstat(fd, &s)) != states[i] {
		return "", false
	}
	if s.Size > largest {
		return "", true
	}
	text := make([]byte, s.Size)
	for n := 0; n < len(text); {
		m, err := sys.Read(fd, text[n:])
		if err != nil || m == 0 {
			return "", false
		}
		n += m
	}
	return string(text), true
}
