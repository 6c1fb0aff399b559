package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"goloop/loop"

	"golang.org/x/sys/unix"
)

// onThreads runs task count times at once, each on a thread that C has started.
func onThreads(t testing.TB, count int, task func(i int)) {
	t.Helper()
	var done sync.WaitGroup
	for i := range count {
		done.Add(1)
		if err := startThread(func() {
			defer done.Done()
			task(i)
		}); err != nil {
			done.Done()
			t.Error(err)
		}
	}
	done.Wait()
}

// until takes turns of c until enough completions of a kind have come, and returns these.
func (c *client) until(t testing.TB, kind loop.Kind, count int) (got []loop.Completion) {
	for turns := 0; len(got) < count; turns++ {
		n := c.turn(nil, loop.TurnWait)
		if n < 0 || turns == 10000 {
			t.Errorf("goloop_turn = %d; of kind %d came %v", n, kind, got)
			return got
		}
		for _, completion := range c.completions[:n] {
			if completion.Kind == kind {
				got = append(got, completion)
			}
		}
	}
	return got
}

// TestEnginesInParallel: each of many threads opens engines, serves sockets that another thread's
// engine serves at the other end, has timers, children and lookups, and closes engines that others
// have opened.
func TestEnginesInParallel(t *testing.T) {
	const threads, rounds, crowd = 8, 30, 4
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	// pairs[i][k][0] is attached to the engine of thread i, the other end to the next's.
	var pairs [threads][crowd][2]int
	for i := range pairs {
		for k := range pairs[i] {
			pairs[i][k][0], pairs[i][k][1] = socketPair(t)
		}
	}
	spare := make(chan *client, threads)
	onThreads(t, threads, func(i int) {
		c := openClient(os.Getenv("GOLOOP_SELECTOR"))
		if c.handle <= 0 {
			t.Error("goloop_open:", c.handle)
			return
		}
		var attach []loop.Submission
		for k := range crowd {
			attach = append(attach,
				loop.Submission{Op: loop.OpAttach, Fd: int32(pairs[i][k][0]), Generation: uint32(k + 1)},
				loop.Submission{Op: loop.OpAttach, Fd: int32(pairs[(i+1)%threads][k][1]), Generation: uint32(k + 1)})
		}
		c.submit(attach...)
		message := []byte(strings.Repeat("m", 64))
		at := uint64(uintptr(unsafe.Pointer(&message[0])))
		received := int64(0)
		for round := range int64(rounds) {
			sq := make([]loop.Submission, 0, 2*crowd)
			for _, a := range attach {
				sq = append(sq, loop.Submission{Op: loop.OpWrite, Fd: a.Fd, Generation: a.Generation, Ptr: at, Len: 64})
			}
			c.submit(sq...)
			for received < (round+1)*2*crowd*64 { // a neighbour may be ahead
				for _, got := range c.until(t, loop.Data, 1) {
					received += got.Len
				}
				if t.Failed() {
					return
				}
			}
			other := openClient("")
			spare <- other
			if rc := (<-spare).close(); rc != 0 {
				t.Error("goloop_close:", rc)
			}
		}
		runtime.KeepAlive(message)
		c.submit(loop.Submission{Op: loop.OpTimerAdd, User: 1, Len: 1})
		c.until(t, loop.TimerDue, 1)
		c.endChild(t, []int{0, 3}[i%2], i)
		c.lookUpLocalhost(t)
		if rc := c.close(); rc != 0 {
			t.Error("goloop_close:", rc)
		}
	})
}

// endChild has a child watcher of the engine notice the end of a child that ends with code.
func (c *client) endChild(t testing.TB, watcher, code int) {
	if chosen, rc := c.chooseWatcher(watcher); rc != 0 || chosen == 0 || watcher != 0 && chosen != watcher {
		t.Errorf("goloop_submit = %d, the watcher %d", rc, chosen)
		return
	}
	process, err := os.StartProcess("/bin/sh", []string{"sh", "-c", fmt.Sprint("exit ", code)}, &os.ProcAttr{})
	if err != nil {
		t.Error(err)
		return
	}
	c.submit(loop.Submission{Op: loop.OpChild, Flags: loop.ChildAdd, Len: int64(process.Pid), User: 9})
	if got := c.until(t, loop.ChildExited, 1); len(got) != 1 || got[0].Res != int32(process.Pid) || got[0].Len != int64(code)<<8 {
		t.Errorf("of child %d, which ends with %d: %+v", process.Pid, code, got)
	}
}

func (c *client) lookUpLocalhost(t testing.TB) {
	host := "localhost"
	q := loop.RingQuery{
		What: loop.AddrInfo, Family: unix.AF_INET, Type: unix.SOCK_STREAM,
		Host: uint64(uintptr(unsafe.Pointer(unsafe.StringData(host)))), HostLen: int64(len(host)),
	}
	c.submit(loop.Submission{Op: loop.OpResolve, User: 5, Ptr: uint64(uintptr(unsafe.Pointer(&q)))})
	runtime.KeepAlive(&q)
	if got := c.until(t, loop.Resolved, 1); len(got) != 1 || got[0].User != 5 || got[0].Generation == 0 {
		t.Errorf("localhost is %+v", got)
	}
}

// TestEngineOfManyThreads: the calls of one engine may come from one thread after the other, where
// something orders them: here a mutex.
func TestEngineOfManyThreads(t *testing.T) {
	const threads, rounds, crowd = 4, 50, 6
	c := open(t)
	var mu sync.Mutex
	var peers [crowd]int
	for k := range crowd {
		var a int
		a, peers[k] = socketPair(t)
		c.submit(loop.Submission{Op: loop.OpAttach, Fd: int32(a), Generation: uint32(k + 1)})
	}
	signalFd := c.signalFd()
	onThreads(t, threads, func(i int) {
		for range rounds {
			mu.Lock()
			for _, peer := range peers {
				if _, err := unix.Write(peer, []byte("ping")); err != nil {
					t.Error(err)
				}
			}
			got := c.until(t, loop.Data, crowd)
			answers := make([]loop.Submission, 0, crowd)
			for _, x := range got {
				answers = append(answers, loop.Submission{Op: loop.OpWrite, Fd: x.Fd, Generation: x.Generation, Ptr: x.Ptr, Len: x.Len})
			}
			c.submit(answers...)
			for _, peer := range peers {
				var answer [8]byte
				if n, err := unix.Read(peer, answer[:]); n != 4 {
					t.Error("the answer has", n, "bytes:", err)
				}
			}
			c.submit(loop.Submission{Op: loop.OpTimerAdd, User: uint64(i), Len: 1})
			c.until(t, loop.TimerDue, 1)
			if c.signalFd() != signalFd {
				t.Error("another pipe for signals")
			}
			if _, rc := c.stats(); rc != 0 {
				t.Error("goloop_stats:", rc)
			}
			mu.Unlock()
		}
		mu.Lock()
		c.endChild(t, 0, i)
		c.lookUpLocalhost(t)
		mu.Unlock()
	})
	if s, _ := c.stats(); s.TimersFired != threads*rounds || s.WriteBytes != threads*rounds*crowd*4 {
		t.Errorf("%+v", s)
	}
}

// TestPanicsOfThreads: each thread is told its own panic.
func TestPanicsOfThreads(t *testing.T) {
	const threads = 8
	var failed sync.WaitGroup
	failed.Add(threads)
	onThreads(t, threads, func(i int) {
		keep(fmt.Sprintf("panic %d.", i))
		failed.Done()
		failed.Wait()
		if text, want := textOfPanic(100), fmt.Sprintf("panic %d.\n", i); !strings.HasPrefix(text, want) {
			t.Errorf("the text is %q, want %q", text, want)
		}
	})
	for range 2 * mostTexts {
		onThreads(t, 1, func(int) { keep("of a thread that has ended") })
	}
	if n := len(panics.texts); n > mostTexts {
		t.Errorf("%d texts are kept", n)
	}
}

// TestTableOfEngines: find sees what store and release have done, of a thousand engines and more.
func TestTableOfEngines(t *testing.T) {
	const count = 3 << chunkBits
	var table table
	bindings := make([]*binding, count)
	for i := range bindings {
		bindings[i] = &binding{}
		if err := table.store(bindings[i]); err != nil {
			t.Fatal("store:", err)
		}
	}
	for i, b := range bindings {
		if table.find(b.handle) != b {
			t.Fatalf("find of handle %#x", b.handle)
		}
		if i%2 == 0 && (table.release(b.handle) != b || table.release(b.handle) != nil || table.find(b.handle) != nil) {
			t.Fatalf("release of handle %#x", b.handle)
		}
	}
	again := &binding{}
	if err := table.store(again); err != nil || table.used != count {
		t.Errorf("store into a place that is free: %d places, %v", table.used, err)
	}
	for _, b := range bindings {
		if found := table.find(b.handle); found != nil && found != b || found == again {
			t.Fatalf("handle %#x names another engine", b.handle)
		}
	}
	table.used, table.free = 1<<placeBits-1, nil
	if err := table.store(&binding{}); err != syscall.EMFILE {
		t.Errorf("store into a full table: %v", err)
	}
}

// TestProvide: there are more processors than threads that run loops, as far as the system has threads.
func TestProvide(t *testing.T) {
	before := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(before)
	defer func() { processors.refused = false }()
	asked, gives := 0, 1000
	count := func(wanted int) int { asked++; return min(wanted, gives+spareThreads) }
	for _, step := range []struct{ threads, gives, processors, asked int }{
		{1, 1000, 2, 0},
		{2, 1000, 4, 1},
		{3, 1000, 4, 1},
		{4, 1000, 8, 2},
		{2, 1000, 8, 2},
		{20, 1000, 21, 3},
		{21, 3, 24, 4}, // all that there are
		{50, 1000, 24, 4},
	} {
		gives = step.gives
		provideFrom(step.threads, count)
		if n := runtime.GOMAXPROCS(0); n != step.processors || asked != step.asked {
			t.Errorf("for %d threads there are %d processors, want %d; asked %d times, want %d", step.threads, n, step.processors, asked, step.asked)
		}
	}
	processors.refused = false
	gives = -spareThreads
	provideFrom(50, count)
	if n := runtime.GOMAXPROCS(0); n != 24 || !processors.refused {
		t.Errorf("where the system has no threads there are %d processors instead of 24", n)
	}
	processors.refused = false
	gives = 1000
	provideFrom(1000, count)
	if n := runtime.GOMAXPROCS(0); n != max(mostProcessors, runtime.NumCPU()+1) {
		t.Errorf("for 1000 threads there are %d processors", n)
	}
	if n := countThreads(3); n != 3 {
		t.Errorf("the system gives %d threads of 3", n)
	}
}

// TestThreadsOfEngines: what counts is in how many threads engines take turns, not how many there are.
func TestThreadsOfEngines(t *testing.T) {
	count := func() int {
		threads.mu.Lock()
		defer threads.mu.Unlock()
		return len(threads.engines)
	}
	const crowd = 4
	before := count()
	here := make(chan bool, crowd)
	release := make(chan bool)
	go onThreads(t, crowd, func(int) {
		var clients []*client
		for range 5 {
			c := openClient("")
			for range 3 { // the second yields
				c.turn(nil, loop.TurnPoll)
			}
			clients = append(clients, c)
		}
		here <- true
		<-release
		for _, c := range clients {
			c.close()
		}
		here <- true
	})
	for range crowd {
		<-here
	}
	if n := count() - before; n != crowd {
		t.Errorf("5 engines in each of %d threads count as %d threads", crowd, n)
	}
	close(release)
	for range crowd {
		<-here
	}
	if n := count() - before; n != 0 {
		t.Errorf("%d threads are left", n)
	}
}

// BenchmarkEnginesInParallel echoes 1 KiB in each engine, on a thread of its own, by C that calls the exported functions.
// It reports the processor time of all threads for each echo: where engines share nothing, it does
// not depend on their number.
func BenchmarkEnginesInParallel(b *testing.B) {
	const size = 1024
	for _, engines := range []int{1, 2, 4, 16} {
		b.Run(fmt.Sprint("engines=", engines), func(b *testing.B) {
			before := runtime.GOMAXPROCS(0)
			b.Cleanup(func() { runtime.GOMAXPROCS(before) })
			clients := make([]*client, engines)
			ends := make([][2]int, engines)
			for i := range clients {
				fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
				if err != nil {
					b.Fatal(err)
				}
				ends[i] = [2]int(fds)
				clients[i] = openClient("")
				clients[i].submit(loop.Submission{Op: loop.OpAttach, Fd: int32(fds[0]), Generation: 1})
			}
			b.ResetTimer()
			used := processorTime()
			onThreads(b, engines, func(i int) {
				if rc := clients[i].echo(ends[i][0], 1, ends[i][1], size, b.N); rc != 0 {
					b.Errorf("engine %d fails at step %d", i, rc)
				}
			})
			b.ReportMetric(float64(processorTime()-used)/float64(b.N*engines), "processor-ns/echo")
			b.ReportMetric(float64(b.N*engines)/b.Elapsed().Seconds(), "echoes/s")
			b.StopTimer()
			for i, c := range clients {
				c.close()
				_ = unix.Close(ends[i][0])
				_ = unix.Close(ends[i][1])
			}
		})
	}
}

func processorTime() time.Duration {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &r)
	return time.Duration(unix.TimevalToNsec(r.Utime) + unix.TimevalToNsec(r.Stime))
}
