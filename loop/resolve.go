package loop

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"goloop/internal/hosts"
)

// What a Query asks for.
type What int32

// The kinds of lookups, as GL_ADDRINFO and GL_NAMEINFO.
const (
	AddrInfo What = iota + 1 // getaddrinfo(3) of Host and Service
	NameInfo                 // getnameinfo(3) of Host, a numeric address, and Service, a numeric port
)

// Query is a lookup. Family, Type, Proto and Flags are the system's numbers.
type Query struct {
	What                       What
	Host, Service              string
	HasHost, HasService        bool // false is C's NULL, which is not the empty text
	Family, Type, Proto, Flags int32
	Flow, Scope                uint32 // NameInfo: of an IPv6 address
}

// Answer is what a lookup has found.
type Answer struct {
	Addresses []Address
	// Text is the canonical name of an AddrInfo; of a NameInfo it is host and
	// service, each with a zero byte behind it.
	Text string
	// Code is what getaddrinfo(3) returned, for gai_strerror; 0 is success.
	Code int32
	// Errno, when it is not 0, is what happened instead (EAI_SYSTEM).
	Errno syscall.Errno
}

// Resolver answers a Query from libc, files or the network, and may take its time:
// the engine calls it on threads of its own.
type Resolver func(Query) Answer

// maxLookups is how many threads of one engine are in the Resolver at once; further
// lookups wait. A lookup occupies a thread, which waits for a network and not for a
// processor: it is the most that asyncio's executor has, whatever the number of cores.
const maxLookups = 32

// maxWaiting lookups are kept for later; the next is refused with ENOMEM.
const maxWaiting = 1 << 16

// lookups are the names that threads of one engine look up.
//
//	waiting ──▶ in the Resolver ──▶ answered ──▶ told, as Resolved
//	   └──Cancel──▶ forgotten
//
// A lookup waits for a thread: the one that rests (rest.go), or a new one, which come one after the other (arrive). When the
// system refuses a thread, it waits for one that there is; without any it is refused.
//
// A thread knows this record and the selector's waker, and no memory of the rings:
// what it finds is copied into them by the engine's own thread, in a turn.
type lookups struct {
	resolver    Resolver
	startThread func(func()) error
	wake        func() error

	files *hosts.Files
	now   func() time.Time

	open   int             // not yet told; of the engine's thread, as are the next
	kept   map[Query]*kept // by question; nil until there is one
	recent []recent        // nil until something is asked
	oldest int             // of recent
	atOnce int             // how many answers were recalled since
	since  int64           // the engine has last looked at the selector

	ready atomic.Bool // answered or failed is not empty

	// mu guards what follows. Nothing but startThread is called while it is held.
	mu       sync.Mutex
	waiting  []*lookup          // oldest first
	byUser   map[uint64]*lookup // nil until there is one
	workers  int                // threads, the one that rests included
	coming   bool               // one of them has been started or called, and has not looked yet
	answered []*lookup
	failed   string // a panic of the Resolver, with its stack
	closed   bool
	rest     rest
}

type lookup struct {
	user      uint64
	query     Query
	frequent  bool // the question
	answer    Answer
	keeps     *kept // the answer, if it may be given again
	cancelled bool  // while it waited
}

// resolve answers a Query at once, or has the next turn tell the answer, or starts its lookup.
func (e *Engine) resolve(s *Submission) {
	if s.Flags&FlagCancel != 0 {
		s.Res = int32(e.cancelLookup(s.User))
		return
	}
	ring := (*RingQuery)(pointer(s.Ptr))
	q := ring.query()
	if a, ok := q.Literal(); ok && ring.put(&a) {
		return
	}
	if e.lookups == nil {
		s.Res = int32(syscall.ENOSYS)
		return
	}
	if a, ok := e.lookups.recall(&q); ok {
		if e.lookups.mayAtOnce(e.looked) && ring.put(&a) {
			s.Res = int32(syscall.EALREADY)
			return
		}
		a.Addresses = slices.Clone(a.Addresses)
		e.lookups.answer(&lookup{user: s.User, query: Query{What: q.What}, answer: a})
	} else {
		w := &lookup{user: s.User, query: q, frequent: e.lookups.isFrequent(&q)}
		w.query.Host, w.query.Service = strings.Clone(q.Host), strings.Clone(q.Service)
		if err := e.lookups.start(w); err != nil {
			s.Res = errnoOf(err)
			return
		}
	}
	e.lookups.open++
	s.Res = int32(syscall.EINPROGRESS)
}

// answer has the next turn tell what is known already. Of the engine's thread.
func (l *lookups) answer(w *lookup) {
	l.mu.Lock()
	l.answered = append(l.answered, w)
	l.ready.Store(true)
	l.mu.Unlock()
	_ = l.wake() // a host that has something to run looks for this
}

// cancelLookup forgets a lookup that waits, or gives ENOENT: one that has begun ends
// as it would have.
func (e *Engine) cancelLookup(user uint64) syscall.Errno {
	l := e.lookups
	if l == nil {
		return syscall.ENOENT
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.byUser[user]
	if w == nil {
		return syscall.ENOENT
	}
	delete(l.byUser, user)
	w.cancelled = true // and skipped when its time comes
	l.open--
	return 0
}

// start lets the lookup wait for the thread that rests, or for one that is about to look, or for a new one.
// Errors: ENOMEM, or why there is no thread.
func (l *lookups) start(w *lookup) error {
	l.mu.Lock()
	if len(l.waiting) >= maxWaiting {
		l.mu.Unlock()
		return syscall.ENOMEM
	}
	asleep, err := l.send()
	if err == nil || l.workers > 0 {
		err = nil
		l.waiting = append(l.waiting, w)
		if l.byUser == nil {
			l.byUser = map[uint64]*lookup{}
		}
		l.byUser[w.user] = w
	}
	l.mu.Unlock()
	if asleep {
		l.rest.wake()
	}
	return err
}

// send has a thread come, unless one does already: the one that rests, to be woken if it is asleep, or a new one, unless there are enough.
func (l *lookups) send() (asleep bool, err error) {
	if l.coming {
		return false, nil
	}
	if l.coming, asleep = l.rest.call(); l.coming || l.workers >= maxLookups {
		return asleep, nil
	}
	if err := l.startThread(l.work); err != nil {
		return false, err
	}
	l.coming = true
	l.workers++
	return false, nil
}

// work looks up what waits, until nothing does.
func (l *lookups) work() {
	defer func() {
		if r := recover(); r != nil {
			l.fail(fmt.Sprintf("%v\n%s", r, debug.Stack()))
		}
	}()
	l.mu.Lock()
	w, asleep := l.arrive()
	if w == nil {
		l.workers--
	}
	l.mu.Unlock()
	if asleep {
		l.rest.wake()
	}
	for w != nil {
		if w.frequent {
			w.answer, w.keeps = l.ask(&w.query)
		} else {
			w.answer = l.resolver(w.query)
		}
		w = l.done(w)
	}
}

// arrive is the first look of a thread that has been coming. Where it leaves lookups, it sends for the next thread:
// names that are found at once cost no thread each, and those that take their time have as many as there may be.
func (l *lookups) arrive() (w *lookup, asleep bool) {
	l.coming = false
	w = l.take()
	if len(l.waiting) > 0 {
		asleep, _ = l.send() // refused: those that there are look
	}
	return w, asleep
}

// done stores an answer, wakes the loop and returns the next lookup. Where none waits, one
// thread of an engine rests for it, and the others get nil. When the engine is closed there
// is nobody to tell.
func (l *lookups) done(w *lookup) *lookup {
	l.mu.Lock()
	if l.closed {
		l.workers--
		l.mu.Unlock()
		return nil
	}
	l.answered = append(l.answered, w)
	l.ready.Store(true)
	next := l.take()
	rests := next == nil && l.rest.lieDown()
	if next == nil && !rests {
		l.workers--
	}
	l.mu.Unlock()
	_ = l.wake() // fails when the engine has been closed since
	if rests {
		next = l.resting()
	}
	return next
}

// resting waits for a lookup and returns it, or nil when the engine is closed.
func (l *lookups) resting() *lookup {
	for {
		l.rest.wait()
		l.mu.Lock()
		l.rest.getUp()
		w, asleep := l.arrive() // none when another thread was faster, or it was cancelled
		rests := w == nil && !l.closed && l.rest.lieDown()
		if w == nil && !rests {
			l.workers--
		}
		l.mu.Unlock()
		if asleep {
			l.rest.wake()
		}
		if !rests {
			return w
		}
	}
}

// take returns the oldest lookup that waits and is not cancelled.
func (l *lookups) take() *lookup {
	for len(l.waiting) > 0 {
		w := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		if !w.cancelled {
			delete(l.byUser, w.user)
			return w
		}
	}
	return nil
}

func (l *lookups) fail(text string) {
	l.mu.Lock()
	l.workers--
	l.failed = text
	l.ready.Store(true)
	l.mu.Unlock()
	_ = l.wake()
}

// close forgets what waits, and the answers of what does not. The thread that rests ends.
func (l *lookups) close() {
	l.mu.Lock()
	l.closed = true
	l.waiting, l.answered, l.byUser = nil, nil, nil
	_, asleep := l.rest.call()
	l.mu.Unlock()
	if asleep {
		l.rest.wake()
	}
}

// Lookups is the number of lookups that Resolved has not told.
func (e *Engine) Lookups() int {
	if e.lookups == nil {
		return 0
	}
	return e.lookups.open
}

// tellLookups tells the answers that there are.
func (e *Engine) tellLookups() {
	if l := e.lookups; l != nil && l.ready.Load() {
		e.tellAnswers(l)
	}
}

// tellAnswers makes completions of answers, as far as ring and arena have room; the
// others wait for the next turn. It panics with the panic of a Resolver.
func (e *Engine) tellAnswers(l *lookups) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != "" {
		panic("in a lookup: " + l.failed)
	}
	for len(l.answered) > 0 && e.room() > 0 {
		w := l.answered[0]
		if w.answer.size() > len(e.arena) {
			w.answer = Answer{Errno: syscall.ENOMEM}
		}
		if w.answer.size() > len(e.arena)-e.arenaEnd {
			return
		}
		at := e.arena[e.arenaEnd:]
		n := w.answer.put(at)
		e.arenaEnd += n
		l.open--
		l.keep(&w.query, w.keeps)
		e.Complete(Completion{
			Kind: Resolved, Flags: uint16(w.query.What), Fd: int32(w.answer.Errno), Res: w.answer.Code, User: w.user,
			Generation: uint32(len(w.answer.Addresses)), Ptr: address(at), Len: int64(n),
		})
		l.answered[0] = nil
		l.answered = l.answered[1:]
	}
	if len(l.answered) == 0 {
		l.answered = nil
		l.ready.Store(false)
	}
}

// query is the Query of a RingQuery, whose texts it shares.
func (r *RingQuery) query() Query {
	return Query{
		What: r.What, Family: r.Family, Type: r.Type, Proto: r.Proto, Flags: r.Flags, Flow: r.Flow, Scope: r.Scope,
		Host: text(r.Host, r.HostLen), HasHost: r.Host != 0,
		Service: r.service(), HasService: r.Service != 0 || r.ServiceLen == portService,
	}
}

// put writes an answer at once, if there is room.
func (r *RingQuery) put(a *Answer) bool {
	if a.size() > int(r.Len) {
		return false
	}
	r.Count = uint32(len(a.Addresses))
	r.Len = int64(a.put(unsafe.Slice((*byte)(pointer(r.Answer)), r.Len)))
	return true
}

// portService in ServiceLen says that Service is no text but a port.
const portService = -1

// service is the service of a RingQuery: a port has the digits that libc reads it by.
func (r *RingQuery) service() string {
	if r.ServiceLen == portService {
		return strconv.FormatInt(int64(r.Service), 10)
	}
	return text(r.Service, r.ServiceLen)
}

// sizeofAddress is the size of struct gl_address.
const sizeofAddress = int(unsafe.Sizeof(Address{}))

// size is the number of bytes of the answer in the arena.
func (a *Answer) size() int { return len(a.Addresses)*sizeofAddress + len(a.Text) }

// put writes the answer as abi.h describes it and returns its size.
func (a *Answer) put(p []byte) int {
	n := len(a.Addresses) * sizeofAddress
	copy(p, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a.Addresses))), n))
	return n + copy(p[n:], a.Text)
}

// pointer is what a ring entry names, which is not Go's memory.
func pointer(p uint64) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// text is the text at p, shared, or empty.
func text(p uint64, n int64) string {
	if p == 0 || n <= 0 {
		return ""
	}
	return unsafe.String((*byte)(pointer(p)), int(n))
}
