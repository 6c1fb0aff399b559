//go:build unix

package unixevents

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"goloop/loop"
	"goloop/selector"

	"golang.org/x/sys/unix"
)

// childMode makes the test binary a child: the value says what it does.
const childMode = "GOLOOP_TEST_CHILD"

func TestMain(m *testing.M) {
	switch mode := os.Getenv(childMode); mode {
	case "":
		os.Exit(m.Run())
	case "wait": // until stdin ends, then 7
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(7)
	default:
		code, err := strconv.Atoi(mode)
		if err != nil {
			panic(err)
		}
		os.Exit(code)
	}
}

// child is a process that nobody waits for but the code under test.
type child struct {
	pid   int
	stdin *os.File // its end ends the child in mode "wait"
}

func startChild(t *testing.T, mode string) child {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = write.Close() })
	process, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{
		Env:   append(os.Environ(), childMode+"="+mode, "GOCOVERDIR="+t.TempDir()),
		Files: []*os.File{read, nil, os.Stderr},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	c := child{process.Pid, write}
	_ = process.Release()
	return c
}

// awaitZombie waits until a child has ended, and leaves it to be reaped. ps is the
// one way that all systems share.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output(); err == nil && out[0] == 'Z' {
			return
		}
	}
	t.Fatalf("child %d did not end", pid)
}

// assertReaped checks that a child is a child no more.
func assertReaped(t *testing.T, pid int) {
	t.Helper()
	if got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("child %d has not been reaped: wait4 gives %d, %v", pid, got, err)
	}
}

// assertNotReaped checks that a child that has ended is left to its parent. Only
// Linux's thread can wait without reaping.
func assertNotReaped(t *testing.T, pid int) {
	t.Helper()
	if got, err := syscall.Wait4(pid, nil, 0, nil); got != pid && runtime.GOOS == "linux" {
		t.Errorf("child %d was reaped: %v", pid, err)
	}
}

// onEveryWatcher runs a test with each watcher on the best selector, and with pidfd
// on every selector. For sigchld it plays the host that writes SIGCHLD to the pipe:
// with a ticker, since no signal handler can be had without os/signal.
func onEveryWatcher(t *testing.T, test func(t *testing.T, l *UnixSelectorEventLoop)) {
	for _, watcher := range ChildWatchers() {
		backends := selector.Backends()
		if watcher != "pidfd" {
			backends = backends[:1]
		}
		for _, backend := range backends {
			t.Run(watcher+"-"+backend, func(t *testing.T) {
				l, err := NewUnixSelectorEventLoop(loop.Options{Selector: backend})
				if err != nil {
					t.Fatal(err)
				}
				if err := l.SetChildWatcher(watcher); err != nil {
					t.Fatal(err)
				}
				stop := make(chan struct{})
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					for watcher == "sigchld" {
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
							raise(l, syscall.SIGCHLD)
						}
					}
				}()
				watchdog := time.AfterFunc(patience, func() {
					_, _ = l.CallSoonThreadsafe(func() { panic("the loop was not stopped") })
				})
				t.Cleanup(func() {
					watchdog.Stop()
					close(stop)
					<-stopped
					if err := l.Close(); err != nil {
						t.Error("Close:", err)
					}
				})
				test(t, l)
			})
		}
	}
}

// ending is what a handler was told.
type ending struct{ pid, returncode int }

// endings watches children and returns where their ends are collected; the loop
// stops with the last.
func endings(t *testing.T, l *UnixSelectorEventLoop, children ...child) *[]ending {
	t.Helper()
	got := new([]ending)
	for _, c := range children {
		if err := l.AddChildHandler(c.pid, func(pid, returncode int) {
			*got = append(*got, ending{pid, returncode})
			if len(*got) == len(children) {
				l.Stop()
			}
		}); err != nil {
			t.Fatal("AddChildHandler:", err)
		}
	}
	return got
}

func expect(t *testing.T, got *[]ending, want ...ending) {
	t.Helper()
	if !slices.Equal(*got, want) {
		t.Errorf("got %v, want %v", *got, want)
	}
}

func TestChildExits(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		c := startChild(t, "wait")
		got := endings(t, l, c)
		l.CallSoon(func() { _ = c.stdin.Close() })
		run(t, l)
		expect(t, got, ending{c.pid, 7})
		assertReaped(t, c.pid)
	})
}

func TestChildExitedBeforeItIsWatched(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		c := startChild(t, "3")
		awaitZombie(t, c.pid)
		got := endings(t, l, c)
		expect(t, got) // not from within AddChildHandler
		run(t, l)
		expect(t, got, ending{c.pid, 3})
		assertReaped(t, c.pid)
	})
}

func TestChildIsKilled(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		c := startChild(t, "wait")
		got := endings(t, l, c)
		if err := l.SendSignal(c.pid, 0); err != nil {
			t.Error("SendSignal of 0:", err)
		}
		if err := l.SendSignal(c.pid, 1000); !errors.Is(err, syscall.EINVAL) {
			t.Error("SendSignal of 1000:", err)
		}
		if err := l.SendSignal(c.pid, syscall.SIGKILL); err != nil {
			t.Error("SendSignal:", err)
		}
		run(t, l)
		expect(t, got, ending{c.pid, -int(syscall.SIGKILL)})
		if err := l.SendSignal(c.pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			t.Error("SendSignal to a reaped child:", err)
		}
	})
}

// TestSignalAfterAnotherReaped: the pid may be somebody else's by then.
func TestSignalAfterAnotherReaped(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		c := startChild(t, "wait")
		got := endings(t, l, c)
		_ = c.stdin.Close()
		if _, err := syscall.Wait4(c.pid, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		if err := l.SendSignal(c.pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Error("SendSignal:", err)
		}
		run(t, l)
		expect(t, got, ending{c.pid, 255})
	})
}

func TestOtherChildrenAreLeftAlone(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		stranger := startChild(t, "5")
		awaitZombie(t, stranger.pid)
		ours := startChild(t, "6")
		got := endings(t, l, ours)
		run(t, l)
		expect(t, got, ending{ours.pid, 6})
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(stranger.pid, &status, 0, nil); pid != stranger.pid || status.ExitStatus() != 5 {
			t.Errorf("the other child's status is gone: %d, %v, %v", pid, status, err)
		}
	})
}

func TestManyChildren(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		const n = 20
		var children []child
		want := map[int]int{}
		for i := range n {
			c := startChild(t, strconv.Itoa(i))
			children = append(children, c)
			want[c.pid] = i
		}
		got := endings(t, l, children...)
		run(t, l)
		for _, e := range *got {
			if returncode, found := want[e.pid]; !found || returncode != e.returncode {
				t.Errorf("got %v", e)
			}
			delete(want, e.pid)
		}
		if len(want) > 0 {
			t.Errorf("not told: %v", want)
		}
	})
}

func TestChildHandlerIsReplacedAndRemoved(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		replaced, removed := startChild(t, "wait"), startChild(t, "wait")
		for _, c := range []child{replaced, removed} {
			if err := l.AddChildHandler(c.pid, func(pid, _ int) { t.Errorf("the old handler of %d was called", pid) }); err != nil {
				t.Fatal(err)
			}
		}
		got := endings(t, l, replaced)
		if !l.RemoveChildHandler(removed.pid) || l.RemoveChildHandler(removed.pid) {
			t.Error("RemoveChildHandler did not tell whether there was one")
		}
		_ = removed.stdin.Close()
		awaitZombie(t, removed.pid)
		_ = replaced.stdin.Close()
		run(t, l)
		expect(t, got, ending{replaced.pid, 7})
		assertNotReaped(t, removed.pid)
	})
}

// TestRemovedWhileTold: the child has been reaped, and its handler not yet called.
func TestRemovedWhileTold(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		first, second := startChild(t, "1"), startChild(t, "2")
		awaitZombie(t, first.pid)
		awaitZombie(t, second.pid)
		calls := 0
		for _, c := range []child{first, second} {
			if err := l.AddChildHandler(c.pid, func(pid, _ int) {
				calls++
				l.RemoveChildHandler(first.pid + second.pid - pid)
				l.CallLater(10*time.Millisecond, l.Stop) // room for a wrong call
			}); err != nil {
				t.Fatal(err)
			}
		}
		run(t, l)
		if calls != 1 {
			t.Errorf("%d handlers were called, want 1", calls)
		}
	})
}

func TestBadPids(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		fail := func(int, int) { t.Error("called") }
		for _, pid := range []int{0, -1, -os.Getpid(), maxPid + 1} {
			if err := l.AddChildHandler(pid, fail); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("AddChildHandler(%d): %v", pid, err)
			}
		}
		got := endings(t, l, child{pid: maxPid}) // of nobody
		run(t, l)
		expect(t, got, ending{maxPid, 255})
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := l.AddChildHandler(1, fail); !errors.Is(err, loop.ErrClosed) {
			t.Error("AddChildHandler on a closed loop:", err)
		}
		if l.RemoveChildHandler(1) {
			t.Error("a closed loop has a child")
		}
	})
}

// TestCloseWithChildren: nothing is kept open, and the child is left to its parent.
func TestCloseWithChildren(t *testing.T) {
	onEveryWatcher(t, func(t *testing.T, l *UnixSelectorEventLoop) {
		before := openDescriptors(t)
		c := startChild(t, "wait")
		endings(t, l, c)
		l.CallSoon(l.Stop)
		run(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		_ = c.stdin.Close()
		awaitZombie(t, c.pid)
		if after := openDescriptors(t); after > before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
		assertNotReaped(t, c.pid)
	})
}

// openDescriptors counts those below 200.
func openDescriptors(t *testing.T) int {
	t.Helper()
	n := 0
	for fd := range 200 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			n++
		}
	}
	return n
}

func TestSetChildWatcher(t *testing.T) {
	l, err := NewUnixSelectorEventLoop(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, name := range []string{"fork", "PIDFD", "pidfd "} {
		if err := l.SetChildWatcher(name); !errors.Is(err, ErrChildWatcher) {
			t.Errorf("SetChildWatcher(%q): %v", name, err)
		}
	}
	for _, name := range append(ChildWatchers(), "") {
		if err := l.SetChildWatcher(name); err != nil {
			t.Errorf("SetChildWatcher(%q): %v", name, err)
		}
		if got := l.children.ChildWatcher(); name != "" && got != name {
			t.Errorf("after SetChildWatcher(%q) it is %q", name, got)
		}
	}
	if got := l.children.ChildWatcher(); got != ChildWatchers()[0] {
		t.Errorf("by itself it is %q", got)
	}
}

// TestSigchldThatDoesNotCome: without the host's promise, and after its end, threads
// watch instead.
func TestSigchldThatDoesNotCome(t *testing.T) {
	ring := make([]loop.Completion, 8)
	e, err := loop.New(loop.Options{Completions: ring})
	if err != nil {
		t.Fatal(err)
	}
	signals, err := OpenSignals(e)
	if err != nil {
		t.Fatal(err)
	}
	children := OpenChildren(e, func() (*Signals, error) { return signals, nil })
	defer func() {
		_ = e.Close()
		children.Close()
		signals.Close()
	}()
	if err := children.SetChildWatcher("sigchld"); err != nil {
		t.Fatal(err)
	}
	for user, flags := range []uint16{0, loop.FlagSigchld} {
		c := startChild(t, "wait")
		sq := []loop.Submission{{Op: loop.OpChild, Flags: loop.ChildAdd | flags, User: uint64(user), Len: int64(c.pid)}}
		if flags != 0 {
			sq = append(sq, loop.Submission{Op: loop.OpChild, Flags: loop.ChildScan})
		}
		if err := e.Submit(sq); err != nil || sq[0].Res != 0 || sq[len(sq)-1].Res != 0 {
			t.Fatalf("Submit: %v, %+v", err, sq)
		}
		_ = c.stdin.Close()
		n, err := e.Turn(nil, loop.TurnWait)
		for n == 0 && err == nil { // a signal ends the wait
			n, err = e.Turn(nil, loop.TurnWait)
		}
		want := []loop.Completion{{Kind: loop.ChildExited, Res: int32(c.pid), Len: 7 << 8, User: uint64(user)}}
		if !slices.Equal(ring[:n], want) {
			t.Errorf("Turn = %+v, %v, want %+v", ring[:n], err, want)
		}
	}
}

func TestChildSubmissions(t *testing.T) {
	e, err := loop.New(loop.Options{Completions: make([]loop.Completion, 8)})
	if err != nil {
		t.Fatal(err)
	}
	submit := func(s loop.Submission) syscall.Errno {
		t.Helper()
		s.Op = loop.OpChild
		sq := []loop.Submission{s}
		if err := e.Submit(sq); err != nil {
			t.Fatal(err)
		}
		return syscall.Errno(sq[0].Res)
	}
	if errno := submit(loop.Submission{Flags: loop.ChildAdd, Len: 1}); errno != syscall.EINVAL {
		t.Errorf("without Children: %v", errno)
	}
	children := OpenChildren(e, nil)
	c := startChild(t, "wait")
	for _, test := range []struct {
		s    loop.Submission
		want syscall.Errno
		left int // of them watched
	}{
		{loop.Submission{Flags: 0}, syscall.EINVAL, 0},
		{loop.Submission{Flags: 99}, syscall.EINVAL, 0},
		{loop.Submission{Flags: loop.ChildAdd, Len: -1}, syscall.EINVAL, 0},
		{loop.Submission{Flags: loop.ChildScan}, 0, 0},
		{loop.Submission{Flags: loop.ChildRemove, User: 4}, syscall.ESRCH, 0},
		{loop.Submission{Flags: loop.ChildKill, User: 4}, syscall.ESRCH, 0},
		{loop.Submission{Flags: loop.ChildAdd, User: 4, Len: int64(c.pid)}, 0, 1},
		{loop.Submission{Flags: loop.ChildAdd, User: 4, Len: int64(c.pid)}, syscall.EEXIST, 1},
		{loop.Submission{Flags: loop.ChildKill, User: 4, Fd: int32(syscall.SIGTERM)}, 0, 1},
		{loop.Submission{Flags: loop.ChildRemove, User: 4}, 0, 0},
	} {
		if errno := submit(test.s); errno != test.want {
			t.Errorf("%+v: %v, want %v", test.s, errno, test.want)
		}
		if o, _ := e.Observe(false); o.Census.Children != test.left {
			t.Errorf("%+v leaves %d children, want %d", test.s, o.Census.Children, test.left)
		}
	}
	if _, err := syscall.Wait4(c.pid, nil, 0, nil); err != nil {
		t.Error("the removed child:", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	children.Close()
}

func TestReturncode(t *testing.T) {
	for status, want := range map[int]int{0: 0, 7 << 8: 7, 255 << 8: 255, 9: -9, 6 | 0x80: -6, lost: 255} {
		if got := Returncode(status); got != want {
			t.Errorf("Returncode(%#x) = %d, want %d", status, got, want)
		}
	}
}

func ExampleUnixSelectorEventLoop_AddChildHandler() {
	l, err := NewUnixSelectorEventLoop(loop.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	process, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "exit 3"}, &os.ProcAttr{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = l.AddChildHandler(process.Pid, func(pid, returncode int) {
		fmt.Println("returncode", returncode)
		l.Stop()
	})
	_ = l.RunForever()
	// Output: returncode 3
}
