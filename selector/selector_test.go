//go:build unix

package selector

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// selectors are the implementations under test: every backend of this system
// and, from other files, the ways in which one behaves on other systems.
var selectors = map[string]func() (Selector, error){}

func init() {
	for _, name := range Backends() {
		selectors[name] = func() (Selector, error) { return New(name) }
	}
}

// contract is what every implementation keeps.
var contract = []struct {
	name string
	test func(t *testing.T, s Selector)
}{
	{"read", testRead},
	{"write", testWrite},
	{"both directions are one event", testBoth},
	{"only what is registered", testOnlyRegistered},
	{"modify", testModify},
	{"hang-up", testHangUp},
	{"connect", testConnect},
	{"connect refused", testConnectRefused},
	{"small slice starves none", testSmallSlice},
	{"large slice takes all", testLargeSlice},

	{"errors", testErrors},
	{"length", testLen},
	{"own descriptor", testOwnDescriptor},
	{"register a closed descriptor", testRegisterClosed},
	{"modify a closed descriptor", testModifyClosed},
	{"unregister a closed descriptor", testUnregisterClosed},
	{"number given out again", testReusedNumber},
	{"same file at the number again", testSameFileAgain},
	{"closed but kept open by a duplicate", testOrphan},
	{"replaced while a duplicate keeps it open", testMoved},
	{"closed, kept open and its number given out again", testOrphanNumber},
	{"random changes", testChurn},
	{"regular file", testRegularFile},
	{"close", testClose},

	{"timeout is never early", testTimeout},
	{"longest timeout", testLongestTimeout},
	{"timeouts of a busy loop", testBusy},
	{"wake before the wait", testWakeBefore},
	{"wake during the wait", testWakeDuring},
	{"wake and wait by turns", testWakeByTurns},
	{"many wakes", testManyWakes},
	{"wake beside events", testWakeBesideEvents},
	{"wake through the descriptor", testWakeFd},
	{"wake against close", testWakeAgainstClose},
	{"collector runs during the wait", testCollector},
	{"no allocation", testAllocations},
}

func TestContract(t *testing.T) {
	for name, open := range selectors {
		t.Run(name, func(t *testing.T) {
			for _, c := range contract {
				t.Run(c.name, func(t *testing.T) {
					s, err := open()
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := s.Close(); err != nil {
							t.Error("Close:", err)
						}
					})
					c.test(t, s)
				})
			}
		})
	}
}

func TestNew(t *testing.T) {
	best, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	defer best.Close()
	if best.Name() != Backends()[0] {
		t.Errorf("New(\"\") is %s, want the best of %v", best.Name(), Backends())
	}
	for _, name := range Backends() {
		s, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Name() != name {
			t.Errorf("New(%q).Name() = %q", name, s.Name())
		}
		if kernel := name == "epoll" || name == "kqueue"; (s.Fd() >= 0) != kernel {
			t.Errorf("%s: Fd() = %d", name, s.Fd())
		}
	}
	_, err = New("iocp")
	if err == nil || !strings.Contains(err.Error(), `"iocp"`) || !strings.Contains(err.Error(), Backends()[0]) {
		t.Errorf("New(\"iocp\"): %v, want an error that names it and what there is", err)
	}
}

func BenchmarkSelect(b *testing.B) {
	for _, name := range Backends() {
		for _, mode := range []struct {
			name    string
			timeout time.Duration
		}{
			{"poll", 0}, {"wait", -1}, {"timeout", 1500 * time.Microsecond},
		} {
			b.Run(name+"/"+mode.name, func(b *testing.B) {
				s, err := New(name)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				s.SetQuiet(false)
				r, w := pipe(b)
				write(b, w)
				register(b, s, r, EventRead, 1)
				events := make([]Event, 64)
				b.ReportAllocs()
				for b.Loop() {
					if n, err := s.Select(events, mode.timeout); n != 1 || err != nil {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}

// patience bounds a wait for what must happen. It is only spent by a failure.
const patience = 10 * time.Second

// pipe returns the ends of a new non-blocking pipe, closed with the test.
func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	return ends(t, fds)
}

// socketPair returns a pair of connected non-blocking stream sockets.
func socketPair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ends(t, fds)
}

func ends(t testing.TB, fds [2]int) (int, int) {
	for _, fd := range fds {
		// The test may have closed it: then the number is free, for no test leaves
		// one open behind.
		t.Cleanup(func() { _ = unix.Close(fd) })
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return fds[0], fds[1]
}

// duplicate returns a new number, at least lowest, of the open file fd. The
// system gives the lowest one that is free.
func duplicate(t *testing.T, fd, lowest int) int {
	t.Helper()
	got, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, lowest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(got) })
	return got
}

func write(t testing.TB, fd int) {
	t.Helper()
	if n, err := unix.Write(fd, []byte{1}); n != 1 || err != nil {
		t.Fatal("write:", n, err)
	}
}

func closeFd(t testing.TB, fd int) {
	t.Helper()
	if err := unix.Close(fd); err != nil {
		t.Fatal("close:", err)
	}
}

// empty reads until fd has no more.
func empty(t testing.TB, fd int) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		if n, err := unix.Read(fd, buf); n <= 0 {
			if err != unix.EAGAIN {
				t.Fatal("read:", n, err)
			}
			return
		}
	}
}

// fill writes until fd takes no more.
func fill(t testing.TB, fd int) {
	t.Helper()
	for buf := make([]byte, 1<<16); ; {
		if _, err := unix.Write(fd, buf); err != nil {
			if err != unix.EAGAIN {
				t.Fatal("write:", err)
			}
			return
		}
	}
}

func register(t testing.TB, s Selector, fd int, events Events, generation uint32) {
	t.Helper()
	if err := s.Register(fd, events, generation); err != nil {
		t.Fatal("Register:", err)
	}
}

// expect fails unless exactly want is ready now, in any order.
func expect(t testing.TB, s Selector, want ...Event) {
	t.Helper()
	check(t, s, 0, want)
}

// await fails unless exactly want is what the next wait gives, in any order. A
// wait for something that a signal has ended is begun again.
func await(t testing.TB, s Selector, want ...Event) {
	t.Helper()
	check(t, s, patience, want)
}

func check(t testing.TB, s Selector, timeout time.Duration, want []Event) {
	t.Helper()
	var events [16]Event
	n, err := s.Select(events[:], timeout)
	for start := time.Now(); n == 0 && err == nil && len(want) > 0 && time.Since(start) < timeout; {
		n, err = s.Select(events[:], timeout)
	}
	if err != nil {
		t.Fatal("Select:", err)
	}
	got := map[Event]bool{}
	for _, e := range events[:n] {
		got[e] = true
	}
	ok := n == len(want)
	for _, e := range want {
		ok = ok && got[e]
	}
	if !ok {
		t.Fatalf("Select gave %+v, want %+v", events[:n], want)
	}
}
