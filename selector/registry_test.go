//go:build unix

package selector

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testErrors(t *testing.T, s Selector) {
	known, _ := pipe(t)
	fd, _ := pipe(t)
	register(t, s, known, EventRead, 1)
	_, err := s.Select(nil, 0)
	cases := []struct {
		name      string
		got, want error
	}{
		{"register twice", s.Register(known, EventRead, 1), ErrRegistered},
		{"register nothing", s.Register(fd, 0, 1), ErrInvalid},
		{"register an unknown direction", s.Register(fd, EventRead|1<<5, 1), ErrInvalid},
		{"register a negative number", s.Register(-1, EventRead, 1), ErrInvalid},
		{"modify a stranger", s.Modify(fd, EventRead, 1), ErrNotRegistered},
		{"modify a negative number", s.Modify(-1, EventRead, 1), ErrNotRegistered},
		{"modify to nothing", s.Modify(known, 0, 1), ErrInvalid},
		{"modify to an unknown direction", s.Modify(known, EventWrite<<1, 1), ErrInvalid},
		{"unregister a stranger", s.Unregister(fd), ErrNotRegistered},
		{"unregister a negative number", s.Unregister(-1), ErrNotRegistered},
		{"unregister a far number", s.Unregister(math.MaxInt), ErrNotRegistered},
		{"empty slice", err, ErrInvalid},
	}
	for _, c := range cases {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	// More than a C int holds: cut to 32 bits it would be the pipe's.
	if far := uint64(1)<<32 + uint64(fd); math.MaxInt > math.MaxInt32 {
		if err := s.Register(int(far), EventRead, 1); !errors.Is(err, ErrInvalid) {
			t.Errorf("register descriptor %d: %v, want %v", far, err, ErrInvalid)
		}
	}
	want := error(unix.EBADF)
	if s.Name() == "select" {
		want = ErrInvalid // FD_SETSIZE
	}
	if err := s.Register(math.MaxInt32, EventRead, 1); !errors.Is(err, want) {
		t.Errorf("register descriptor 2^31-1: %v, want %v", err, want)
	}
	if s.Len() != 1 {
		t.Errorf("Len() = %d after errors, want 1", s.Len())
	}
	expect(t, s)
}

func testLen(t *testing.T, s Selector) {
	r, w := pipe(t)
	want := func(n int) {
		t.Helper()
		if s.Len() != n {
			t.Errorf("Len() = %d, want %d", s.Len(), n)
		}
	}
	want(0)
	register(t, s, r, EventRead, 1)
	register(t, s, w, EventWrite, 1)
	want(2)
	if err := s.Modify(w, EventRead|EventWrite, 2); err != nil {
		t.Fatal(err)
	}
	want(2)
	if err := s.Unregister(r); err != nil {
		t.Fatal(err)
	}
	want(1)
	register(t, s, r, EventRead, 1)
	want(2)
}

func testOwnDescriptor(t *testing.T, s Selector) {
	source := s.(interface{ source() int }).source()
	if err := s.Register(source, EventRead, 1); !errors.Is(err, ErrRegistered) {
		t.Errorf("Register: %v, want %v", err, ErrRegistered)
	}
	if err := s.Unregister(source); !errors.Is(err, ErrNotRegistered) {
		t.Errorf("Unregister: %v, want %v", err, ErrNotRegistered)
	}
}

func testRegisterClosed(t *testing.T, s Selector) {
	r, _ := pipe(t)
	closeFd(t, r)
	err := s.Register(r, EventRead, 1)
	var call *os.SyscallError
	if !errors.Is(err, unix.EBADF) || !errors.As(err, &call) {
		t.Errorf("Register: %v, want a system error with EBADF", err)
	}
	if s.Len() != 0 {
		t.Errorf("Len() = %d, want 0", s.Len())
	}
}

func testModifyClosed(t *testing.T, s Selector) {
	r, _ := pipe(t)
	register(t, s, r, EventRead, 1)
	closeFd(t, r)
	if err := s.Modify(r, EventRead|EventWrite, 2); !errors.Is(err, unix.EBADF) {
		t.Errorf("Modify: %v, want EBADF", err)
	}
	if err := s.Unregister(r); err != nil {
		t.Errorf("Unregister: %v", err)
	}
}

func testUnregisterClosed(t *testing.T, s Selector) {
	r, _ := pipe(t)
	register(t, s, r, EventRead|EventWrite, 1)
	closeFd(t, r)
	switch s.Name() {
	case "poll", "select":
		expect(t, s, Event{int32(r), 1, EventRead | EventWrite})
	default:
		expect(t, s)
	}
	if err := s.Unregister(r); err != nil {
		t.Errorf("Unregister: %v", err)
	}
	if s.Len() != 0 {
		t.Errorf("Len() = %d, want 0", s.Len())
	}
	expect(t, s)
}

// reuse closes fd and gives its number to the open file from.
func reuse(t *testing.T, fd, from int) {
	t.Helper()
	closeFd(t, fd)
	if got := duplicate(t, from, fd); got != fd {
		t.Fatalf("the system gave %d, want %d", got, fd)
	}
}

func testReusedNumber(t *testing.T, s Selector) {
	r, _ := pipe(t)
	other, w := pipe(t)
	register(t, s, r, EventRead, 1)
	reuse(t, r, other)
	if err := s.Register(r, EventRead, 2); !errors.Is(err, ErrRegistered) {
		t.Errorf("Register: %v, want %v", err, ErrRegistered)
	}
	err := s.Modify(r, EventRead, 3)
	if s.Name() == "epoll" {
		if !errors.Is(err, ErrReplaced) || s.Len() != 0 {
			t.Errorf("Modify: %v, want %v; Len() = %d, want 0", err, ErrReplaced, s.Len())
		}
		err = s.Register(r, EventRead, 3)
	}
	if err != nil {
		t.Fatal("Modify:", err)
	}
	expect(t, s)
	write(t, w)
	await(t, s, Event{int32(r), 3, EventRead})

	third, _ := pipe(t)
	reuse(t, r, third)
	if err := s.Unregister(r); err != nil {
		t.Error("Unregister:", err)
	}
	expect(t, s)
	register(t, s, r, EventRead, 4)
	expect(t, s)
}

func testSameFileAgain(t *testing.T, s Selector) {
	r, w := pipe(t)
	kept := duplicate(t, r, 0)
	register(t, s, r, EventRead, 1)
	closeFd(t, r)
	if err := s.Unregister(r); err != nil {
		t.Fatal(err)
	}
	if got := duplicate(t, kept, r); got != r {
		t.Fatalf("the system gave %d, want %d", got, r)
	}
	register(t, s, r, EventRead, 2)
	write(t, w)
	await(t, s, Event{int32(r), 2, EventRead})
	if err := s.Unregister(r); err != nil {
		t.Fatal(err)
	}
	expect(t, s)
}

// testOrphan closes a ready descriptor before Unregister, while a duplicate keeps
// the file open. Nothing must be told of it, and it must not end every wait.
func testOrphan(t *testing.T, s Selector) {
	r, w := pipe(t)
	duplicate(t, r, 0)
	other, otherW := pipe(t)
	register(t, s, r, EventRead, 1)
	register(t, s, other, EventRead, 2)
	fd := s.Fd()
	write(t, w)
	closeFd(t, r)
	if err := s.Unregister(r); err != nil {
		t.Fatal(err)
	}
	expect(t, s)
	if got := waited(t, s, 20*time.Millisecond); got < 20*time.Millisecond {
		t.Errorf("Select waited %v, want at least 20ms", got)
	}
	if s.Fd() != fd {
		t.Errorf("Fd() = %d, was %d", s.Fd(), fd)
	}
	if err := s.Wake(); err != nil {
		t.Fatal(err)
	}
	await(t, s) // the wake-up
	write(t, otherW)
	await(t, s, Event{int32(other), 2, EventRead})
}

// testOrphanNumber gives the number of such a closed descriptor to another file,
// which must not be told of the first one's readiness.
func testOrphanNumber(t *testing.T, s Selector) {
	r, w := pipe(t)
	duplicate(t, r, 0)
	other, otherW := pipe(t)
	register(t, s, r, EventRead, 1)
	write(t, w)
	reuse(t, r, other)
	if err := s.Unregister(r); err != nil {
		t.Fatal(err)
	}
	register(t, s, r, EventRead, 2)
	for range 3 {
		expect(t, s)
	}
	write(t, otherW)
	await(t, s, Event{int32(r), 2, EventRead})
}

// testMoved replaces a registered file under its number while a duplicate keeps it open.
// Once Modify has asked anew about the number, nothing is told of the file before.
func testMoved(t *testing.T, s Selector) {
	r, w := pipe(t)
	duplicate(t, r, 0)
	other, otherW := pipe(t)
	register(t, s, r, EventRead, 1)
	write(t, w)
	if err := unix.Dup2(other, r); err != nil {
		t.Fatal(err)
	}
	err := s.Modify(r, EventRead, 1)
	if errors.Is(err, ErrMoved) {
		err = s.Register(r, EventRead, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		expect(t, s)
	}
	write(t, otherW)
	await(t, s, Event{int32(r), 1, EventRead})
}

// testChurn changes the registry at random and compares it with a map.
func testChurn(t *testing.T, s Selector) {
	var fds []int
	for range 6 {
		a, b := socketPair(t)
		write(t, a)
		write(t, b)
		fds = append(fds, a, b)
	}
	random := rand.New(rand.NewPCG(1, 2))
	model := map[int]Event{}
	for generation := range uint32(300) {
		fd := fds[random.IntN(len(fds))]
		events := Events(1 + random.IntN(3))
		_, known := model[fd]
		var err error
		switch {
		case !known:
			err = s.Register(fd, events, generation)
		case random.IntN(2) == 0:
			err = s.Modify(fd, events, generation)
		default:
			err, events = s.Unregister(fd), 0
		}
		if err != nil {
			t.Fatal(err)
		}
		model[fd] = Event{int32(fd), generation, events}
		if events == 0 {
			delete(model, fd)
		}
		expect(t, s, slices.Collect(maps.Values(model))...)
		if s.Len() != len(model) {
			t.Fatalf("Len() = %d, want %d", s.Len(), len(model))
		}
	}
}

func testRegularFile(t *testing.T, s Selector) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("data"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	err = s.Register(fd, EventRead, 1)
	if s.Name() == "epoll" {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("Register: %v, want EPERM", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, s, Event{int32(fd), 1, EventRead})
}

func testClose(t *testing.T, s Selector) {
	r, w := pipe(t)
	register(t, s, r, EventRead, 1)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error("Close:", err)
		}
	}
	_, err := s.Select(make([]Event, 1), -1)
	for name, err := range map[string]error{
		"Register":   s.Register(w, EventWrite, 1),
		"Modify":     s.Modify(r, EventRead, 1),
		"Unregister": s.Unregister(r),
		"Select":     err,
		"Wake":       s.Wake(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want %v", name, err, ErrClosed)
		}
	}
	if s.Len() != 0 || s.Fd() != -1 || s.WakeFd() != -1 {
		t.Errorf("Len() = %d, Fd() = %d, WakeFd() = %d; want 0, -1, -1", s.Len(), s.Fd(), s.WakeFd())
	}
	if _, err := unix.FcntlInt(uintptr(r), unix.F_GETFD, 0); err != nil {
		t.Error("Close closed a registered descriptor:", err)
	}
}
