// Package loop is the engine of an event loop: descriptors, streams, servers,
// connects, datagrams, names and timers behind two rings, and SelectorEventLoop, a front end to
// them for callbacks written in Go.
//
// It knows nothing of Python or C. An Engine belongs to the thread that takes
// its turns; only Wake may be called from elsewhere. Addresses in ring entries
// are plain numbers: the caller keeps the memory behind them alive, and the
// engine follows none after the completion that releases it.
package loop

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"goloop/internal/batch"
	"goloop/internal/hosts"
	"goloop/internal/sys"
	"goloop/selector"

	"golang.org/x/sys/unix"
)

// Sizes, chosen by measurement on TCP loopback (docs/rationale.md).
const (
	maxEvents   = 1024    // descriptors a turn takes from the selector
	fewEvents   = 16      // room for them at first
	maxRead     = 1 << 18 // bytes, as asyncio's max_size
	minArena    = 1 << 16 // a read is not started with less room than this
	turnBytes   = 1 << 16 // a turn that has read so much leaves further reads to the next
	directFrom  = 1 << 16 // a read of so many bytes makes the next one direct
	maxIovecs   = 1024    // IOV_MAX of Linux and the BSDs
	minRoom     = 4       // completions that serving one descriptor may need at once
	backoffTime = time.Second

	descriptorsAtOnce = 16 // records that are made together
)

// Errors of the engine itself.
var (
	// ErrClosed is returned by every call on a closed engine.
	ErrClosed = errors.New("loop: engine is closed")
	// ErrArena is returned by New for an arena that cannot hold one read.
	ErrArena = errors.New("loop: arena is smaller than one read")
	// ErrRing is returned by New for a completion ring in which no descriptor
	// could be served.
	ErrRing = errors.New("loop: completion ring has fewer than 4 entries")
)

// Options of New.
type Options struct {
	// Selector names a backend of package selector; empty takes the best.
	Selector string
	// Completions is the completion ring: at least 4 entries.
	Completions []Completion
	// Arena receives the bytes of small reads and peers' addresses: at least
	// 128 KiB. Without one (nil), streams and listeners are refused with EINVAL.
	Arena []byte
	// Unbatched has each socket served by system calls of its own (batch.go), and no bell (bell.go).
	Unbatched bool
	// Resolver looks up what is no address literal. Without one (nil) such
	// lookups are refused with ENOSYS.
	Resolver Resolver
	// StartThread runs a function on a thread of its own, for lookups and for waits of other
	// packages; without one (nil) a goroutine does. Errors: the system's refusal.
	StartThread func(task func()) error
	// Near is where the engine lists the streams that the host may read (near.go); nil: none.
	Near *[NearPlaces]Near
	// Fresh is where the host shows timers that it has (fresh.go); nil: it submits all.
	Fresh *Fresh
}

// Engine turns submissions into completions.
type Engine struct {
	sel    selector.Selector
	events []selector.Event // of a turn: as many as there are descriptors, to maxEvents

	compares bool // the selector cannot tell that a number names another file than before

	// Indexed by descriptor; entries are reused, never freed. unused are those that come next: in an array
	// of the engine's own, or two engines' would lie in one line of the processor's cache.
	fds     []*descriptor
	unused  []descriptor
	sources int // of AddSource

	timers timers
	fresh  *Fresh
	clock  clock
	looked int64 // Looked
	waited bool  // it was asked with a timeout
	parks  bool  // a wait gives the thread's P up
	parked bool  // Parked
	tempo  tempo
	near   nearness

	briskness briskness

	// The turn under way.
	sq       []Submission
	dirty    []*descriptor // with writes or sends in sq
	cq       []Completion
	ncq      int
	inTurn   bool
	overflow []Completion // completions that found no room, oldest first
	arena    []byte
	arenaEnd int
	owed     int              // of events: left by the last turn for want of room
	deferred []selector.Event // descriptors to read in the next turn, for this one is full
	lapsed   []*descriptor    // watched ones that the selector watches for more than is asked, or that are trusted
	hope     hope
	spent    int // bytes read in this turn
	row      row // of them, the last that C fetched
	pollFds  []unix.PollFd

	chunks   chunks
	vector   vector
	messages *messages // nil until there is a datagram socket

	aside *aside // nil until there is a turn that needs it

	batch     *batch.Batch  // nil until a turn serves many sockets
	unbatched bool          // there is no batch for us
	batched   []*descriptor // of the batch that is being sent
	silent    bool          // there is no bell for us either
	fewest    int           // sockets that make a batch
	choice    uint64        // counts the batches that were considered

	start    func(func()) error // StartThread
	lookups  *lookups           // nil without a Resolver
	onChild  ChildServer        // of OpChild, or nil
	children atomic.Int64       // that it watches

	stats  Stats // beside what is hot of meters
	meters Meters
	seen   atomic.Pointer[[]*descriptor] // fds up to its capacity, for Observe,
	told   atomic.Int64                  // and how long it has waited by what it last told

	closed bool
	slowly bool // closed, or the next turn's time is to be taken

	// Where the lists of a turn begin: beside the rest of the engine, for the reason of unused.
	places struct {
		dirty, batched, lapsed [descriptorsAtOnce]*descriptor
		deferred               [descriptorsAtOnce]selector.Event
	}
}

// New opens an engine. Errors: an unknown backend, ErrArena, ErrRing, or the
// system's.
func New(o Options) (*Engine, error) {
	if len(o.Completions) < minRoom {
		return nil, ErrRing
	}
	if o.Arena != nil && len(o.Arena) < 2*minArena {
		return nil, ErrArena
	}
	sel, err := selector.New(o.Selector)
	if err != nil {
		return nil, err
	}
	e := &Engine{sel: sel, compares: sel.Name() != "epoll", cq: o.Completions, arena: o.Arena, unbatched: o.Unbatched, silent: o.Unbatched, fewest: fewest, clock: processClock()}
	e.parks = sel.SetQuiet(e.tempo.quiet())
	e.timers.reserved = fewestTimers
	e.dirty, e.batched, e.lapsed, e.deferred = e.places.dirty[:0], e.places.batched[:0], e.places.lapsed[:0], e.places.deferred[:0]
	e.meters.sinceTick = e.clock.tick()
	e.meters.Opened = e.clock.now()
	e.meters.since = e.meters.Opened
	if HostTries && !e.compares {
		e.near = nearness{places: o.Near, after: nearAfter}
	}
	e.fresh = o.Fresh
	if e.start = o.StartThread; e.start == nil {
		e.start = startGoroutine
	}
	if o.Resolver != nil {
		e.lookups = &lookups{
			resolver: o.Resolver, startThread: e.start, wake: sel.Wake,
			files: hosts.System, now: time.Now,
		}
	}
	return e, nil
}

// Selector is the backend, for its name and its descriptors.
func (e *Engine) Selector() selector.Selector { return e.sel }

// Stats returns the counters.
func (e *Engine) Stats() Stats { return e.stats }

// Backlog is the number of completions and of reads that wait for the next turn.
func (e *Engine) Backlog() int { return len(e.overflow) + e.chunks.dropped.n + len(e.deferred) }

// TimersRoom is how many timers can be scheduled at a time for certain: one more may fail with ENOMEM unless OpTimerReserve has
// made room.
func (e *Engine) TimersRoom() int32 { return e.timers.reserved }

// QueueRoom is how many writes and sends can be queued for certain: beyond it, one may fail
// with ENOMEM. OpQueueReserve makes more.
func (e *Engine) QueueRoom() int { return e.chunks.room() }

// Sources is the number of descriptors of AddSource.
func (e *Engine) Sources() int { return e.sources }

// Deadline is the earliest timer, in nanoseconds of CLOCK_MONOTONIC, or
// math.MaxInt64.
func (e *Engine) Deadline() int64 { return e.timers.deadline() }

// Looked is when a turn was last done with the selector, by Now; 0 before the first.
func (e *Engine) Looked() int64 { return e.looked }

// Parked reports whether the last turn waited, and gave up the processor of Go's scheduler that the thread has meanwhile.
func (e *Engine) Parked() bool { return e.parked }

// Now is the engine's clock: nanoseconds of CLOCK_MONOTONIC, never ahead of it.
func (e *Engine) Now() int64 { return e.clock.now() }

// Wake ends the wait of the current turn, or of the next. Any thread.
func (e *Engine) Wake() error { return e.sel.Wake() }

// StartThread is that of Options: for what waits in a system call. Any thread.
func (e *Engine) StartThread(task func()) error { return e.start(task) }

func startGoroutine(task func()) error {
	go task()
	return nil
}

// Close forgets every descriptor without closing it and frees the selector. What the
// lookups under way find is dropped.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed, e.slowly = true, true
	if e.lookups != nil {
		e.lookups.close()
	}
	e.closeBatch()
	e.chunks.all.Free()
	e.aside.free()
	e.timers.free()
	e.seen.Store(nil)
	e.near = nearness{}
	e.fds, e.unused, e.overflow, e.dirty, e.arena, e.cq, e.aside = nil, nil, nil, nil, nil, nil, nil
	return e.sel.Close()
}

// kind is what a descriptor is to the engine.
//
//	none ──Attach──▶ stream ──Detach, Close──▶ none
//	     ──Listen──▶ listener ──Detach, Close──▶ none
//	     ──Watch──▶ watched ──Watch 0, Detach──▶ none
//	     ──Datagram──▶ datagram ──Detach, Close──▶ none
//	     ──AddSource──▶ source ──RemoveSource, Detach──▶ none
type kind uint8

const (
	none kind = iota
	stream
	listener
	watched
	datagram
	source
)

// descriptor is the engine's record of one file descriptor.
// Its fields lie by size: an idle connection is to cost little.
type descriptor struct {
	fd         int32
	generation uint32
	since      int64 // ns: the look at the selector before it came

	// stream, datagram
	queue  queue
	first  int32
	last   int32  // chain of this turn's writes through Submission.Res
	chosen uint64 // Engine.choice of the last batch that it was to be in
	at     uint64 // fetched: where to,
	got    int32  // so many bytes,
	errno  int32
	recent int32 // bytes of the last read; more when there were more to be had

	most    int32 // listener: connections a turn; datagram: bytes of the largest that is received whole
	special *special

	registered selector.Events // what the selector watches now
	asked      selector.Events // watched: what the owner asks about
	kind       kind
	lapsing    bool // watched: in Engine.lapsed
	trusted    bool // watched: its wait was renewed, and the system is yet to be asked
	renewals   uint8

	// stream, datagram
	paused   bool  // the owner wants no data
	ended    bool  // end of file seen: read no more
	broken   bool  // an error was told, or the owner discarded: neither read nor write
	shutdown bool  // send end of file once the queue is empty
	gone     bool  // the system said that the number is closed, so whose it is now is not known
	dirty    bool  // in Engine.dirty
	direct   bool  // announce Readable instead of reading into the arena
	pipe     bool  // no socket: read(2) and write(2)
	hangup   bool  // the writing end of a pipe: paused for good, and ready when its reader has gone
	backoff  bool  // listener: waiting a second after EMFILE
	fetched  bool  // a batch has read ahead in this turn
	idle     uint8 // reads in a row that the selector announced and that found nothing
}

// special is what few descriptors have.
type special struct {
	source Source
	file   file // watched: what the number named, where the selector cannot tell
}

// file is what d named when it was watched last; the zero file where that is not known.
func (d *descriptor) file() file {
	if d.special == nil {
		return file{}
	}
	return d.special.file
}

// receives tells whether d brings bytes, which a turn bounds.
func (d *descriptor) receives() bool { return d.kind == stream || d.kind == datagram }

// Source is a descriptor that another package of the engine reads by itself,
// such as the pipe that signals come through.
type Source interface {
	// Ready is called in a turn when the descriptor is readable. It may call
	// Complete.
	Ready(e *Engine)
}

// AddSource watches fd for reading on behalf of s, until Detach. Errors:
// ErrClosed, or the system's.
func (e *Engine) AddSource(fd int, generation uint32, s Source) error {
	if e.closed {
		return ErrClosed
	}
	d := e.claim(int32(fd), generation, source)
	if d == nil {
		return os.NewSyscallError("fcntl", syscall.EBADF)
	}
	d.special = &special{source: s}
	err := e.setInterest(d, selector.EventRead)
	if err != nil {
		e.forget(d)
	}
	return err
}

// RemoveSource ends AddSource, also during Ready. A stale pair is ignored.
func (e *Engine) RemoveSource(fd int, generation uint32) {
	if d := e.lookup(int32(fd), generation); d != nil && d.kind == source {
		e.forget(d)
	}
}

// ChildServer serves OpChild: package unixevents, which knows processes.
type ChildServer interface {
	// Serve is called within Turn or Submit. It may call Complete, and leaves its answer in Res.
	Serve(s *Submission)
}

// OnChild sets who does so. Without one the operation is refused with EINVAL.
func (e *Engine) OnChild(server ChildServer) { e.onChild = server }

// CountChildren is for the ChildServer: how many it watches from now on.
func (e *Engine) CountChildren(n int) { e.children.Store(int64(n)) }

// Complete appends a completion; what finds no room waits for the next turn.
func (e *Engine) Complete(c Completion) {
	if e.inTurn && e.ncq < len(e.cq) && len(e.overflow) == 0 {
		e.cq[e.ncq] = c
		e.ncq++
		return
	}
	e.overflow = append(e.overflow, c)
	e.stats.Overflowing += counted
}

// room is how many completions still fit into this turn.
func (e *Engine) room() int {
	if len(e.overflow) > 0 {
		return 0
	}
	return len(e.cq) - e.ncq
}

// claim makes the record of fd a fresh one of the given kind. A watch that follows
// a watch takes over its registration, which is to be confirmed. It returns nil
// for a number that cannot be a descriptor; one that is merely closed may pass.
func (e *Engine) claim(fd int32, generation uint32, k kind) *descriptor {
	if fd < 0 || int(fd) >= len(e.fds) && !e.grow(fd) {
		return nil
	}
	d := e.fds[fd]
	if d == nil {
		if len(e.unused) == 0 {
			e.unused = make([]descriptor, descriptorsAtOnce)
		}
		d, e.unused = &e.unused[0], e.unused[1:]
		e.fds[fd] = d
	} else if d.kind != none && (d.kind != watched || k != watched) {
		e.forget(d)
	}
	if k == source {
		e.sources++
	}
	*d = descriptor{fd: fd, generation: generation, kind: k, first: -1, last: -1, since: e.looked,
		registered: d.registered, lapsing: d.lapsing, special: d.special}
	return d
}

// grow makes room for fd in the table, unless the system says that it is not open: a
// number that a user made up must not cost 8 bytes for each one below it.
func (e *Engine) grow(fd int32) bool {
	if _, err := sys.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == unix.EBADF {
		return false
	}
	before := cap(e.fds)
	e.fds = append(e.fds, make([]*descriptor, int(fd)+1-len(e.fds))...)
	if all := e.fds[:cap(e.fds)]; cap(e.fds) != before {
		e.seen.Store(&all)
	}
	return true
}

// lookup finds the live record of a pair, or nil when the pair is stale.
func (e *Engine) lookup(fd int32, generation uint32) *descriptor {
	if fd < 0 || int(fd) >= len(e.fds) {
		return nil
	}
	d := e.fds[fd]
	if d == nil || d.kind == none || d.generation != generation {
		return nil
	}
	return d
}

// forget takes d out of the selector and lets go of what it has queued.
func (e *Engine) forget(d *descriptor) {
	e.setInterest(d, 0)
	e.dropQueue(d)
	e.near.loses(d)
	if d.kind == source {
		e.sources--
	}
	d.kind = none
	d.lapsing = false
	d.special = nil
}

// forgetTransports does so with all streams and datagram sockets.
func (e *Engine) forgetTransports() {
	for _, d := range e.fds {
		if d != nil && (d.kind == stream || d.kind == datagram) {
			e.forget(d)
		}
	}
	e.deferred = e.deferred[:0]
}

// setInterest makes the selector watch d for exactly want.
func (e *Engine) setInterest(d *descriptor, want selector.Events) error {
	if want == d.registered {
		return nil
	}
	var err error
	switch {
	case d.registered == 0:
		err = e.sel.Register(int(d.fd), want, d.generation)
	case want == 0:
		err = e.sel.Unregister(int(d.fd))
	default:
		err = e.sel.Modify(int(d.fd), want, d.generation)
	}
	switch {
	case err == nil || want == 0:
		d.registered = want
	case errors.Is(err, selector.ErrReplaced):
		d.registered = 0
		if d.kind != watched && errors.Is(err, selector.ErrMoved) { // on purpose: the new file is served
			return e.setInterest(d, want)
		}
	}
	return err
}

// errnoOf finds the errno in an error of the selector; EIO stands for any other.
func errnoOf(err error) int32 {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return int32(errno)
	case errors.Is(err, selector.ErrReplaced):
		return int32(syscall.EBADF) // the file that its owner means is closed
	case errors.Is(err, selector.ErrRegistered):
		return int32(syscall.EEXIST)
	case errors.Is(err, selector.ErrInvalid):
		return int32(syscall.EINVAL)
	case errors.Is(err, os.ErrPermission):
		return int32(syscall.EPERM)
	}
	return int32(syscall.EIO)
}

// address is where b lies, as ring entries name it.
func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
