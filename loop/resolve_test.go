//go:build linux

package loop

import (
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ringQuery is q as C submits it, with room for an answer at once; answer is that memory.
func ringQuery(q Query) (ring *RingQuery, answer []byte) {
	answer = make([]byte, 512)
	ring = &RingQuery{
		What: q.What, Family: q.Family, Type: q.Type, Proto: q.Proto, Flags: q.Flags, Flow: q.Flow, Scope: q.Scope,
		Answer: address(answer), Len: int64(len(answer)),
	}
	if q.HasHost {
		ring.Host, ring.HostLen = uint64(uintptr(unsafe.Pointer(unsafe.StringData(q.Host)))), int64(len(q.Host))
	}
	if q.HasService {
		ring.Service, ring.ServiceLen = uint64(uintptr(unsafe.Pointer(unsafe.StringData(q.Service)))), int64(len(q.Service))
	}
	return ring, answer
}

// TestPortOfAQuery: a port that comes as a number is the service that its digits are.
func TestPortOfAQuery(t *testing.T) {
	for port, want := range map[int64]string{80: "80", 0: "0", -1: "-1", 1 << 40: "1099511627776"} {
		ring, _ := ringQuery(Query{What: AddrInfo, Host: "127.0.0.1", HasHost: true})
		ring.ServiceLen, ring.Service = portService, uint64(port)
		if q := ring.query(); q.Service != want || !q.HasService {
			t.Errorf("port %d is the service %q, %v", port, q.Service, q.HasService)
		}
	}
}

// lookUp submits a Resolve and returns its result.
func (r *rig) lookUp(user uint64, host string) syscall.Errno {
	r.t.Helper()
	ring, _ := ringQuery(Query{What: AddrInfo, Host: host, HasHost: true, Type: unix.SOCK_STREAM})
	errno := r.errno(Submission{Op: OpResolve, User: user, Ptr: uint64(uintptr(unsafe.Pointer(ring)))})
	runtime.KeepAlive(ring)
	return errno
}

// resolved takes turns until the lookups of all users have been told.
func (r *rig) resolved(users ...uint64) map[uint64]Completion {
	r.t.Helper()
	told := map[uint64]Completion{}
	r.until(func() bool {
		for _, c := range r.inbox {
			if _, again := told[c.User]; again {
				r.t.Fatalf("lookup %d was told twice", c.User)
			}
			if c.Kind == Resolved {
				told[c.User] = c
			}
		}
		r.inbox = nil
		return len(told) >= len(users)
	})
	for _, user := range users {
		if _, found := told[user]; !found {
			r.t.Fatalf("lookup %d was not told; told are %v", user, told)
		}
	}
	return told
}

func onResolver(t *testing.T, resolver Resolver, test func(t *testing.T, r *rig)) {
	onEveryBackendWith(t, settings{resolver: resolver}, test)
}

func TestLiteralIsAnsweredAtOnce(t *testing.T) {
	r := newRig(t, "", settings{})
	ring, answer := ringQuery(Query{What: AddrInfo, Host: "1.2.3.4", HasHost: true, Service: "80", HasService: true, Flags: aiCanonName})
	errno := r.errno(Submission{Op: OpResolve, User: 1, Ptr: uint64(uintptr(unsafe.Pointer(ring)))})
	first := (*Address)(unsafe.Pointer(&answer[0]))
	if errno != 0 || ring.Count != 3 || first.Family != unix.AF_INET || first.Port != 80 || hostOf(*first) != "1.2.3.4" {
		t.Errorf("errno %v, %d addresses, the first is %+v", errno, ring.Count, first)
	}
	if got := string(answer[3*sizeofAddress : ring.Len]); got != "1.2.3.4" {
		t.Errorf("the canonical name is %q", got)
	}
	expectErrno(t, "a name without a Resolver", r.lookUp(2, "localhost"), syscall.ENOSYS)
	r.quiet()
}

func TestResolve(t *testing.T) {
	resolver := func(q Query) Answer {
		if q.Host == "bad" {
			return Answer{Code: -2}
		}
		a := Answer{Addresses: make([]Address, 2), Text: q.Host}
		a.Addresses[1].Type = q.Type
		return a
	}
	onResolver(t, resolver, func(t *testing.T, r *rig) {
		host := []byte("good")
		expectErrno(t, "good", r.lookUp(7, string(host)), syscall.EINPROGRESS)
		copy(host, "gone") // the engine has its own copy
		expectErrno(t, "bad", r.lookUp(8, "bad"), syscall.EINPROGRESS)
		if n := r.Lookups(); n != 2 {
			t.Errorf("%d lookups are under way, want 2", n)
		}
		told := r.resolved(7, 8)
		if c := told[8]; c.Res != -2 || c.Fd != 0 || c.Len != 0 || c.Generation != 0 {
			t.Errorf("the failure is %+v", c)
		}
		c := told[7]
		if c.Res != 0 || c.Generation != 2 || c.Len != int64(2*sizeofAddress+4) || c.Flags != uint16(AddrInfo) {
			t.Fatalf("the answer is %+v", c)
		}
		if n := r.Lookups(); n != 0 {
			t.Errorf("%d lookups are under way, want none", n)
		}
		r.quiet()
	})
}

// TestResolvesAreBounded: so many at once and no more, and a cancelled one that waits is
// never begun.
func TestResolvesAreBounded(t *testing.T) {
	const lookups, cancelled = 3 * maxLookups, maxLookups
	var now, most, all atomic.Int32
	release, full := make(chan struct{}), make(chan struct{})
	resolver := func(q Query) Answer {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if all.Add(1) == maxLookups {
			close(full)
		}
		<-release
		now.Add(-1)
		return Answer{}
	}
	r := newRig(t, "", settings{resolver: resolver})
	var users []uint64
	for user := range uint64(lookups) {
		expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
		if user < lookups-cancelled {
			users = append(users, user)
		}
	}
	<-full
	cancel := func(user uint64) syscall.Errno {
		return r.errno(Submission{Op: OpResolve, Flags: FlagCancel, User: user})
	}
	expectErrno(t, "cancelling what has begun", cancel(0), syscall.ENOENT)
	for user := lookups - cancelled; user < lookups; user++ {
		expectErrno(t, "cancelling what waits", cancel(uint64(user)), 0)
		expectErrno(t, "cancelling it again", cancel(uint64(user)), syscall.ENOENT)
	}
	close(release)
	r.resolved(users...)
	if most.Load() != maxLookups || all.Load() != lookups-cancelled {
		t.Errorf("%d lookups at once, %d in all; want %d, %d", most.Load(), all.Load(), maxLookups, lookups-cancelled)
	}
	r.quiet()
}

// TestResolveWithoutThreads: when the system refuses a thread, lookups wait for those that there
// are, and without any they are refused.
func TestResolveWithoutThreads(t *testing.T) {
	allowed := 0
	release := make(chan struct{})
	r := newRig(t, "", settings{
		resolver: func(Query) Answer { <-release; return Answer{} },
		startThread: func(task func()) error {
			if allowed == 0 {
				return syscall.EAGAIN
			}
			allowed--
			go task()
			return nil
		},
	})
	expectErrno(t, "a lookup without a thread", r.lookUp(1, "name"), syscall.EAGAIN)
	if n := r.Lookups(); n != 0 {
		t.Errorf("%d lookups are under way, want none", n)
	}
	allowed = 1
	users := make([]uint64, 100)
	for i := range users {
		users[i] = uint64(2 + i)
		expectErrno(t, "a lookup with one thread", r.lookUp(users[i], "name"), syscall.EINPROGRESS)
	}
	close(release)
	r.resolved(users...)
	r.quiet()
}

// TestThreadsComeOneByOne: lookups that find a thread on its way wait for it, and it sends for the next if it leaves any.
func TestThreadsComeOneByOne(t *testing.T) {
	tasks := make(chan func(), maxLookups)
	r := newRig(t, "", settings{
		resolver:    func(q Query) Answer { return Answer{Text: q.Host} },
		startThread: func(task func()) error { tasks <- task; return nil },
	})
	for user := range uint64(3) {
		expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
	}
	for user := range uint64(3) {
		if n := len(tasks); n != 1 && user == 0 {
			t.Fatalf("%d threads for three lookups at once, want 1 on its way", n)
		}
		r.lookups.mu.Lock()
		w, _ := r.lookups.arrive()
		r.lookups.mu.Unlock()
		if w == nil || w.user != user {
			t.Fatalf("the thread looks up %+v, want %d", w, user)
		}
		if n, want := len(tasks), min(int(user)+2, 3); n != want {
			t.Errorf("%d threads started when %d looks, want %d", n, user, want)
		}
	}
}

// TestTooManyResolves: lookups that wait are bounded.
// The thread that rests comes first, whoever sends: the others may be busy for long.
func TestThreadThatComesSendsForTheOneThatRests(t *testing.T) {
	tasks := make(chan func(), maxLookups)
	r := newRig(t, "", settings{
		resolver:    func(q Query) Answer { return Answer{Text: q.Host} },
		startThread: func(task func()) error { tasks <- task; return nil },
	})
	for user := range uint64(2) {
		expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
	}
	<-tasks
	l := r.lookups
	l.mu.Lock()
	l.rest.state.Store(restAsleep)
	w, asleep := l.arrive()
	if w == nil || !asleep || !l.coming || l.rest.state.Load() != restCalled || len(tasks) != 0 {
		t.Errorf("%+v is looked up, the one that rests asleep: %v, %d threads started", w, asleep, len(tasks))
	}
	l.rest.getUp()
	l.mu.Unlock()
}

func TestTooManyResolves(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	r := newRig(t, "", settings{resolver: func(Query) Answer { <-release; return Answer{} }})
	for user := range uint64(maxLookups + maxWaiting) {
		expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
		if user+1 == maxLookups {
			r.lookups.wait(0)
		}
	}
	expectErrno(t, "one too many", r.lookUp(1<<32, "name"), syscall.ENOMEM)
	expectErrno(t, "cancelling one that waits", r.errno(Submission{Op: OpResolve, Flags: FlagCancel, User: maxLookups + 1}), 0)
	if n := r.Lookups(); n != maxLookups+maxWaiting-1 {
		t.Errorf("%d lookups are under way", n)
	}
}

// TestCloseDuringResolve: what a goroutine finds for a closed engine goes nowhere.
func TestCloseDuringResolve(t *testing.T) {
	for range 20 {
		release := make(chan struct{})
		ended := make(chan struct{}, 2*maxLookups) // more than begin, when release comes before Close
		r := newRig(t, "", settings{resolver: func(q Query) Answer {
			defer func() { ended <- struct{}{} }()
			<-release
			return Answer{Text: q.Host}
		}})
		for user := range uint64(2 * maxLookups) {
			expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
		}
		r.lookups.wait(maxLookups)
		go close(release)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		for range maxLookups { // those that had begun; nobody begins after Close
			<-ended
		}
		if err := r.Submit([]Submission{{Op: OpResolve}}); err != ErrClosed {
			t.Fatalf("a lookup on a closed engine: %v", err)
		}
	}
}

// workers is how many goroutines look up names, or rest.
func (r *rig) workers() int {
	r.lookups.mu.Lock()
	defer r.lookups.mu.Unlock()
	return r.lookups.workers
}

// wait returns when no more than so many lookups wait for a thread.
func (l *lookups) wait(most int) {
	waiting := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiting)
	}
	for waiting() > most {
		runtime.Gosched()
	}
}

// TestOneWorkerRests: one goroutine of many stays when there is nothing to look up, the next
// lookup is its, and it ends with the engine.
func TestOneWorkerRests(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	r := newRig(t, "", settings{resolver: func(q Query) Answer { return Answer{Text: q.Host} }})
	var users []uint64
	for user := range uint64(2 * maxLookups) {
		users = append(users, user)
		expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
	}
	r.resolved(users...)
	rested := func() bool {
		state := r.lookups.rest.state.Load()
		return (state == restAwake || state == restAsleep) && r.workers() == 1
	}
	for user := range uint64(100) {
		for !rested() {
			runtime.Gosched()
		}
		expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
		if n := r.workers(); n != 1 {
			t.Fatalf("%d goroutines for a lookup when one rested", n)
		}
		r.resolved(user)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for r.workers() != 0 {
		runtime.Gosched()
	}
}

// TestRestIsCalled: asleep or still awake, who rests is called once, and woken only if it sleeps.
func TestRestIsCalled(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	var r rest
	if called, asleep := r.call(); called || asleep {
		t.Error("an empty place was called")
	}
	for _, brief := range []bool{false, true} {
		r.brief = brief
		if !r.lieDown() || r.lieDown() {
			t.Fatal("the place is not for one")
		}
		if called, asleep := r.call(); !called || asleep {
			t.Errorf("who has lain down: called %v, asleep %v", called, asleep)
		}
		r.wait()
		r.getUp()
		if r.brief != brief {
			t.Errorf("a time awake that was called for has made brief %v", r.brief)
		}
	}
	got := make(chan bool)
	for _, slow := range []bool{true, true, false} {
		r.lieDown()
		go func() {
			r.wait()
			got <- r.brief
		}()
		for r.state.Load() != restAsleep {
			runtime.Gosched() // a time awake ends
		}
		if slow {
			time.Sleep(2 * restBrief)
		}
		if called, asleep := r.call(); !called || !asleep {
			t.Errorf("who sleeps: called %v, asleep %v", called, asleep)
		}
		if called, _ := r.call(); called {
			t.Error("called twice")
		}
		r.wake()
		if brief := <-got; slow && brief {
			t.Error("a long sleep is brief")
		}
		r.getUp()
	}
}

// TestNoLookupIsLost: whoever rests, finishes or is called meanwhile, each is told once.
func TestNoLookupIsLost(t *testing.T) {
	r := newRig(t, "", settings{resolver: func(q Query) Answer { return Answer{Text: q.Host} }})
	user := uint64(0)
	for round := range 2000 {
		var users []uint64
		for range 1 + round%4 {
			user++
			expectErrno(t, "lookup", r.lookUp(user, "name"), syscall.EINPROGRESS)
			cancelled := round%3 == 0 && r.errno(Submission{Op: OpResolve, Flags: FlagCancel, User: user}) == 0
			if !cancelled {
				users = append(users, user)
			}
		}
		r.resolved(users...)
	}
	r.quiet()
	if n := r.Lookups(); n != 0 {
		t.Errorf("%d lookups are under way, want none", n)
	}
}

func TestAnswersWaitForRoom(t *testing.T) {
	sizes := map[string]int{"small": 1, "most": 2*minArena - 8, "all": 2 * minArena, "too much": 2*minArena + 1}
	r := newRig(t, "", settings{arena: 2 * minArena, ring: minRoom, resolver: func(q Query) Answer {
		return Answer{Text: strings.Repeat("x", sizes[q.Host])}
	}})
	want := map[uint64]int64{}
	var users []uint64
	for range 3 {
		for host, size := range sizes {
			user := uint64(len(users))
			users = append(users, user)
			want[user] = int64(size)
			expectErrno(t, host, r.lookUp(user, host), syscall.EINPROGRESS)
		}
	}
	for user, c := range r.resolved(users...) {
		if want[user] > 2*minArena {
			if syscall.Errno(c.Fd) != syscall.ENOMEM || c.Len != 0 {
				t.Errorf("an answer larger than the arena is told as %+v", c)
			}
		} else if c.Len != want[user] || c.Fd != 0 {
			t.Errorf("an answer of %d bytes is told as %+v", want[user], c)
		}
	}
	r.quiet()
}

// TestResolverPanics: the panic of a goroutine is the next turn's.
func TestResolverPanics(t *testing.T) {
	r := newRig(t, "", settings{resolver: func(q Query) Answer { panic("no " + q.Host) }})
	expectErrno(t, "lookup", r.lookUp(1, "name"), syscall.EINPROGRESS)
	defer func() {
		text, _ := recover().(string)
		if !strings.Contains(text, "no name") || !strings.Contains(text, "TestResolverPanics") {
			t.Errorf("the turn panicked with %q", text)
		}
	}()
	r.until(func() bool { return false }) // a signal may end a turn before
	t.Error("no turn panicked")
}
