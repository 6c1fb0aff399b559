//go:build unix

package selector

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// Steps of FuzzSelector.
const (
	fuzzRegister = iota
	fuzzModify
	fuzzUnregister
	fuzzPut   // a byte to what a file's peer will read
	fuzzEmpty // read all of it
	fuzzClose // a number
	fuzzOpen  // a number, for one of the files
	fuzzSelect
	fuzzSteps
)

const (
	fuzzFiles   = 4
	fuzzNumbers = 5
	fuzzLowest  = 300 // of the numbers, which nothing else takes
)

// FuzzSelector gives a few numbers to a few open files, closes them and gives
// them to others, before and after the selector is told. What Select tells must
// be what a model of the registry expects.
func FuzzSelector(f *testing.F) {
	for backend := range byte(4) {
		f.Add([]byte{backend, fuzzOpen, 0, 0, fuzzRegister, 0, 1, fuzzPut, 0, 0, fuzzSelect, 0, 0, fuzzModify, 0, 3})
		f.Add([]byte{backend, fuzzOpen, 0, 0, fuzzRegister, 0, 1, fuzzClose, 0, 0, fuzzUnregister, 0, 0, fuzzOpen, 0, 1,
			fuzzRegister, 0, 1, fuzzPut, 0, 0, fuzzSelect, 0, 0, fuzzPut, 1, 0})
		f.Add([]byte{backend, fuzzOpen, 1, 0, fuzzRegister, 1, 3, fuzzClose, 1, 0, fuzzOpen, 1, 1, fuzzModify, 1, 1, fuzzPut, 1, 0})
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		names := Backends()
		s, err := New(names[int(b[0])%len(names)])
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		z := newFuzzed(t, s)
		for b = b[1:]; len(b) >= 3; b = b[3:] {
			z.step(b[0]%fuzzSteps, int(b[1]), int(b[2]))
			if got := s.Len(); got != z.registered() {
				t.Fatalf("Len() = %d, want %d", got, z.registered())
			}
		}
		z.compare()
	})
}

// fuzzNumber is what the model knows of one number.
type fuzzNumber struct {
	file       int // -1 while closed
	events     Events
	generation uint32
	stale      bool // closed since it was registered: nothing is promised until the next Modify or Unregister
}

type fuzzed struct {
	t       *testing.T
	s       Selector
	files   [fuzzFiles]int // kept open, so that a closed number leaves its file behind
	peers   [fuzzFiles]int
	pending [fuzzFiles]bool
	numbers [fuzzNumbers]fuzzNumber
}

func newFuzzed(t *testing.T, s Selector) *fuzzed {
	z := &fuzzed{t: t, s: s}
	for i := range z.files {
		z.files[i], z.peers[i] = socketPair(t)
	}
	for i := range z.numbers {
		z.numbers[i].file = -1
	}
	t.Cleanup(func() {
		for i := range z.numbers {
			z.close(i)
		}
	})
	return z
}

func (z *fuzzed) registered() int {
	count := 0
	for _, n := range z.numbers {
		if n.events != 0 {
			count++
		}
	}
	return count
}

func (z *fuzzed) close(i int) {
	n := &z.numbers[i]
	if n.file < 0 {
		return
	}
	closeFd(z.t, fuzzLowest+i)
	n.file, n.stale = -1, n.events != 0
}

func (z *fuzzed) step(what byte, where, arg int) {
	z.t.Helper()
	i := where % fuzzNumbers
	n, fd, events := &z.numbers[i], fuzzLowest+i, Events(arg%3+1)
	switch what {
	case fuzzRegister:
		err := z.s.Register(fd, events, n.generation+1)
		switch {
		case n.events != 0:
			z.failed("Register", err, ErrRegistered)
		case n.file < 0:
			z.failed("Register", err, unix.EBADF)
		default:
			z.failed("Register", err, nil)
			n.events, n.generation, n.stale = events, n.generation+1, false
		}
	case fuzzModify:
		err := z.s.Modify(fd, events, n.generation+1)
		switch {
		case n.events == 0:
			z.failed("Modify", err, ErrNotRegistered)
		case n.file < 0:
			// poll and select may not ask the system, and then tell of the number itself.
			if err == nil {
				n.events, n.generation = events, n.generation+1
			} else {
				z.failed("Modify", err, unix.EBADF)
			}
		case n.stale && errors.Is(err, ErrReplaced):
			n.events, n.stale = 0, false
		default:
			z.failed("Modify", err, nil)
			n.events, n.generation, n.stale = events, n.generation+1, false
		}
	case fuzzUnregister:
		var want error
		if n.events == 0 {
			want = ErrNotRegistered
		}
		z.failed("Unregister", z.s.Unregister(fd), want)
		n.events, n.stale = 0, false
	case fuzzPut:
		file := where % fuzzFiles
		if !z.pending[file] {
			write(z.t, z.peers[file])
		}
		z.pending[file] = true
	case fuzzEmpty:
		file := where % fuzzFiles
		empty(z.t, z.files[file])
		z.pending[file] = false
	case fuzzClose:
		z.close(i)
	case fuzzOpen:
		z.close(i)
		n.file = arg % fuzzFiles
		if got, err := unix.FcntlInt(uintptr(z.files[n.file]), unix.F_DUPFD_CLOEXEC, fd); got != fd || err != nil {
			z.t.Fatalf("the number %d is gone: %d, %v", fd, got, err)
		}
	case fuzzSelect:
		z.compare()
	}
}

func (z *fuzzed) failed(call string, got, want error) {
	z.t.Helper()
	if !errors.Is(got, want) {
		z.t.Fatalf("%s: %v, want %v; %+v", call, got, want, z.numbers)
	}
}

// compare looks at what is ready: all that the model expects, and of stale
// numbers what may be.
func (z *fuzzed) compare() {
	z.t.Helper()
	var events [16]Event
	count, err := z.s.Select(events[:], 0)
	if err != nil {
		z.t.Fatal("Select:", err)
	}
	got := map[int32]Event{}
	for _, e := range events[:count] {
		if _, twice := got[e.Fd]; twice {
			z.t.Fatalf("two events of one number: %+v", events[:count])
		}
		got[e.Fd] = e
	}
	for i, n := range z.numbers {
		fd := int32(fuzzLowest + i)
		if n.stale {
			delete(got, fd)
		} else if want := z.ready(n); want != 0 && got[fd] == (Event{fd, n.generation, want}) {
			delete(got, fd)
		} else if want != 0 && !z.onlyStale() {
			z.t.Fatalf("number %d: Select gave %+v, want %v; %+v", fd, events[:count], want, z.numbers)
		}
	}
	if len(got) != 0 {
		z.t.Fatalf("Select gave %+v, of which nobody waits for %+v; %+v", events[:count], got, z.numbers)
	}
}

// onlyStale tells whether the backend says nothing of others as long as a number
// is registered that was closed: select(2) fails then, and tells of none.
func (z *fuzzed) onlyStale() bool {
	stale := false
	for _, n := range z.numbers {
		stale = stale || n.stale
	}
	return stale && z.s.Name() == "select"
}

func (z *fuzzed) ready(n fuzzNumber) Events {
	ready := n.events & EventWrite
	if n.file >= 0 && z.pending[n.file] {
		ready |= n.events & EventRead
	}
	return ready
}
