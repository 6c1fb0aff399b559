package main

import (
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"goloop/loop"

	"golang.org/x/sys/unix"
)

func open(t *testing.T) *client {
	t.Helper()
	c := openClient(os.Getenv("GOLOOP_SELECTOR"))
	if c.handle <= 0 {
		t.Fatal("goloop_open:", c.handle)
	}
	t.Cleanup(func() {
		if rc := c.close(); rc != 0 && rc != -int(syscall.EBADF) {
			t.Error("goloop_close:", rc)
		}
	})
	return c
}

func socketPair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		t.Cleanup(func() { _ = unix.Close(fd) })
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	return fds[0], fds[1]
}

func TestOpenPublishes(t *testing.T) {
	c := open(t)
	selector, deadline, nfds, backlog, wakeFd := c.published()
	if want := os.Getenv("GOLOOP_SELECTOR"); selector == "" || want != "" && selector != want {
		t.Errorf("the selector is %q, want %q", selector, want)
	}
	if deadline != math.MaxInt64 || nfds != 0 || backlog != 0 || wakeFd < 0 {
		t.Errorf("a new engine has deadline %d, %d descriptors, backlog %d, waker %d", deadline, nfds, backlog, wakeFd)
	}
	if bad := openClient("iocp"); int(bad.handle) != -int(syscall.EINVAL) {
		t.Errorf("an unknown selector gave %d", bad.handle)
	}
}

func TestTurnAndRead(t *testing.T) {
	c := open(t)
	a, b := socketPair(t)
	message := []byte(strings.Repeat("x", 1<<16))
	sq := []loop.Submission{
		{Op: loop.OpAttach, Fd: int32(a), Generation: 1},
		{Op: loop.OpTimerAdd, User: 3, Len: math.MaxInt64 - 1},
		{Op: loop.OpWrite, Fd: int32(a), Generation: 1, User: 9, Len: 5,
			Ptr: uint64(uintptr(unsafe.Pointer(&message[0])))},
	}
	if n := c.turn(sq, 0); n != 0 || sq[2].Flags != loop.FlagDone {
		t.Fatalf("goloop_turn = %d, the write is %+v", n, sq[2])
	}
	if _, deadline, nfds, _, _ := c.published(); deadline != math.MaxInt64-1 || nfds != 1 {
		t.Errorf("published: deadline %d, %d descriptors", deadline, nfds)
	}
	if n, err := unix.Write(b, message); n != len(message) {
		t.Skipf("the kernel takes only %d bytes at once (%v)", n, err)
	}
	if n := c.turn(nil, loop.TurnWait); n != 1 || c.completions[0].Kind != loop.Data || c.completions[0].Len != 1<<16 {
		t.Fatalf("goloop_turn = %d: %+v", n, c.completions[0])
	}
	if _, err := unix.Write(b, []byte("direct")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 16)
	if n := c.turn(nil, loop.TurnWait); n != 1 || c.completions[0].Kind != loop.Readable {
		t.Fatalf("goloop_turn = %d: %+v", n, c.completions[0])
	}
	if n := c.readMore(int32(a), 1); n != 0 {
		t.Errorf("goloop_read_more before a read = %d", n)
	}
	if n := c.read(int32(a), 1, p); n != 6 || string(p[:6]) != "direct" {
		t.Errorf("goloop_read = %d: %q", n, p)
	}
	if err := unix.Close(b); err != nil {
		t.Fatal(err)
	}
	if n := c.read(int32(a), 1, p); n != 0 {
		t.Errorf("goloop_read at the end = %d", n)
	}
	if _, _, _, backlog, _ := c.published(); backlog != 1 {
		t.Errorf("the end of file is not in the backlog: %d", backlog)
	}
	// The unread half of what a wrote makes it a reset.
	if n := c.turn(nil, loop.TurnWait); n != 1 || c.completions[0].Kind != loop.EOF && c.completions[0].Kind != loop.Error {
		t.Errorf("goloop_turn = %d: %+v", n, c.completions[0])
	}
	if s, rc := c.stats(); rc != 0 || s.ReadBytes != 1<<16+6 || s.WriteBytes != 5 {
		t.Errorf("goloop_stats = %d: %+v", rc, s)
	}
}

func TestSignalFd(t *testing.T) {
	c := open(t)
	fd := c.signalFd()
	if fd < 0 || c.signalFd() != fd {
		t.Fatalf("goloop_signal_fd = %d, then %d", fd, c.signalFd())
	}
	if _, err := unix.Write(fd, []byte{2}); err != nil {
		t.Fatal(err)
	}
	if n := c.turn(nil, loop.TurnWait); n != 1 || c.completions[0].Kind != loop.Signal || c.completions[0].Res != 2 {
		t.Errorf("goloop_turn = %d: %+v", n, c.completions[0])
	}
	if rc := c.close(); rc != 0 {
		t.Error("goloop_close:", rc)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("after goloop_close the pipe is open (%v)", err)
	}
}

func TestChildWatcher(t *testing.T) {
	c := open(t)
	if chosen, rc := c.chooseWatcher(0); rc != 0 || chosen < 1 || chosen > 3 {
		t.Fatalf("goloop_submit = %d, the watcher %d", rc, chosen)
	}
	if refused, _ := c.chooseWatcher(4); refused != int(syscall.EINVAL) {
		t.Errorf("an unknown watcher gave %d", refused)
	}
	for _, number := range []int{3, 0} { // thread, and then as it is
		if forced, rc := c.chooseWatcher(number); rc != 0 || forced != 3 {
			t.Errorf("goloop_submit = %d, the watcher %d", rc, forced)
		}
	}
	process, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "exit 3"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	sq := []loop.Submission{{Op: loop.OpChild, Flags: loop.ChildAdd, Len: int64(process.Pid), User: 9}}
	n := c.turn(sq, loop.TurnWait)
	for n == 0 { // a signal ends the wait
		n = c.turn(nil, loop.TurnWait)
	}
	want := loop.Completion{Kind: loop.ChildExited, Res: int32(process.Pid), Len: 3 << 8, User: 9}
	if n != 1 || c.completions[0] != want {
		t.Errorf("goloop_turn = %d: %+v, want %+v", n, c.completions[0], want)
	}
}

// TestPanic: a panic of the engine becomes a number and a text.
func TestPanic(t *testing.T) {
	c := open(t)
	for name, call := range map[string]func() int{
		"goloop_submit": func() int { return c.submit(loop.Submission{Op: loop.OpPanic}) },
		"goloop_turn":   func() int { return c.turn([]loop.Submission{{Op: loop.OpPanic}}, 0) },
	} {
		if rc := call(); rc != panicked {
			t.Errorf("%s = %d, want %d", name, rc, panicked)
		}
		text := textOfPanic(1 << 16)
		for _, want := range []string{"asked for by a test\n", "goroutine ", "loop.(*Engine).process", "turn.go:", name} {
			if !strings.Contains(text, want) {
				t.Errorf("after %s the text lacks %q:\n%s", name, want, text)
			}
		}
	}
	if text := textOfPanic(5); text != "asked" {
		t.Errorf("the text with room for 5 bytes is %q", text)
	}
	if text := textOfPanic(0); text != "" {
		t.Errorf("the text without room is %q", text)
	}
	other := open(t) // is not concerned
	if rc := other.submit(loop.Submission{}); rc != 0 {
		t.Errorf("goloop_submit to another engine = %d", rc)
	}
	if rc := c.close(); rc != 0 {
		t.Errorf("goloop_close after a panic = %d", rc)
	}
}

// TestStaleHandle: every call refuses a handle that is closed, made up, or whose
// place in the table is taken by another engine.
func TestStaleHandle(t *testing.T) {
	c := open(t)
	stale := *c
	if rc := c.close(); rc != 0 {
		t.Fatal("goloop_close:", rc)
	}
	made := open(t)
	if made.handle == stale.handle {
		t.Error("a handle is used again")
	}
	for _, handle := range []int64{int64(stale.handle), 0, -1, 1, math.MaxInt64, math.MinInt64, int64(made.handle) + 1<<placeBits} {
		*(*int64)(unsafe.Pointer(&stale.handle)) = handle
		_, stats := stale.stats()
		for name, rc := range map[string]int{
			"turn": stale.turn(nil, loop.TurnWait), "submit": stale.submit(loop.Submission{Op: loop.OpPanic}),
			"read": stale.read(0, 1, make([]byte, 1)), "read_more": stale.readMore(0, 1), "signal_fd": stale.signalFd(), "stats": stats, "close": stale.close(),
		} {
			if rc != -int(syscall.EBADF) {
				t.Errorf("goloop_%s of handle %d = %d, want -EBADF", name, handle, rc)
			}
		}
	}
	if rc := made.submit(loop.Submission{}); rc != 0 {
		t.Errorf("the engine in its place: %d", rc)
	}
}

// TestListed: a forked child comes upon each open engine, and none that is closed.
func TestListed(t *testing.T) {
	first, undo := list()
	defer undo()
	clients := []*client{open(t), open(t), open(t)}
	for _, step := range []struct {
		closes int
		left   []int
	}{{-1, []int{2, 1, 0}}, {1, []int{2, 0}}, {2, []int{0}}, {0, nil}} {
		if step.closes >= 0 {
			if rc := clients[step.closes].close(); rc != 0 {
				t.Fatal("goloop_close:", rc)
			}
		}
		if got := listedAs(first, clients...); !slices.Equal(got, step.left) {
			t.Errorf("after the end of %d there are %v, want %v", step.closes, got, step.left)
		}
	}
}

// TestLastTurns: what is queued when the engine is to close is let go of, through a ring that is smaller.
func TestLastTurns(t *testing.T) {
	c := open(t)
	a, _ := socketPair(t)
	message := make([]byte, 1<<22)
	sq := []loop.Submission{{Op: loop.OpAttach, Fd: int32(a), Generation: 1}}
	for user := range 100 {
		sq = append(sq, loop.Submission{Op: loop.OpWrite, Fd: int32(a), Generation: 1, User: uint64(user),
			Ptr: uint64(uintptr(unsafe.Pointer(&message[0]))), Len: int64(len(message))})
	}
	if n := c.turn(sq, 0); n != 0 || sq[1].Flags != loop.FlagQueued || sq[100].Flags != loop.FlagQueued {
		t.Fatalf("goloop_turn = %d, the writes are %+v ... %+v", n, sq[1], sq[100])
	}
	var got []uint64
	for n := c.turn(nil, loop.TurnLast); n > 0; n = c.turn(nil, loop.TurnLast) {
		for _, done := range c.completions[:n] {
			if done.Kind != loop.Released {
				t.Errorf("it tells %+v", done)
			}
			got = append(got, done.User)
		}
	}
	if !slices.IsSorted(got) || len(got) != 100 {
		t.Errorf("released are %v", got)
	}
	runtime.KeepAlive(message)
}

// TestEnginesSideBySide: engines of different threads share nothing but the
// table, while others are opened and closed.
func TestEnginesSideBySide(t *testing.T) {
	var threads sync.WaitGroup
	places := engines.used
	for range 2 {
		c := open(t)
		a, b := socketPair(t)
		threads.Go(func() {
			c.submit(loop.Submission{Op: loop.OpAttach, Fd: int32(a), Generation: 1})
			for i := range 300 {
				if _, err := unix.Write(b, []byte("ping")); err != nil {
					t.Error(err)
				}
				if n := c.turn(nil, loop.TurnWait); n != 1 || c.completions[0].Kind != loop.Data {
					t.Errorf("goloop_turn = %d: %+v", n, c.completions[0])
				}
				if i%10 == 0 {
					other := openClient("")
					if rc := other.submit(loop.Submission{Op: loop.OpPanic}); rc != panicked {
						t.Errorf("goloop_submit = %d", rc)
					}
					if rc := other.close(); rc != 0 {
						t.Errorf("goloop_close = %d", rc)
					}
				}
			}
		})
	}
	threads.Wait()
	if engines.used > places+4 {
		t.Errorf("the table of engines has grown from %d places to %d", places, engines.used)
	}
}

func BenchmarkTurn(b *testing.B) {
	c := openClient("")
	defer c.close()
	b.ReportAllocs()
	for b.Loop() {
		if n := c.turn(nil, 0); n != 0 {
			b.Fatal(n)
		}
	}
}
