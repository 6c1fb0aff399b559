package loop

// The entries of the two rings. pybind/abi.h holds the same structs in C, with
// the meaning of each field for each operation; tests in pybind compare sizes,
// offsets and numbers.

// Op is what a Submission asks for.
type Op uint16

// The operations, as in enum gl_op.
const (
	OpNop Op = iota
	OpTimerAdd
	OpTimerCancel
	OpAttach
	OpWrite
	OpShutdown
	OpPause
	OpResume
	OpDiscard
	OpDetach
	OpClose
	OpListen
	OpWatch
	OpDatagram
	OpSend
	OpConnect
	OpChild
	OpResolve
	OpTimerReserve
	OpQueueReserve
	OpTimersAdd
	OpBell
	OpAside
	OpRead
	OpRoom
	OpPanic Op = 255
)

// Flags of submissions and completions.
const (
	FlagRead  = 1 // Watch, WatchReady, Error: the direction
	FlagWrite = 2

	FlagFatal = 4 // Error: a datagram socket goes on with nothing either

	FlagPaused = 1 // Attach: do not read yet
	FlagPipe   = 2 // Attach: read with read(2), written with write(2)
	FlagHangup = 4 // Attach: the writing end of a pipe, which is ready to be read when its reader has gone

	FlagTried = 1 // Write: the host has tried itself, after all that it wrote before had left; Res is the errno
	FlagAlone = 1 // Send: Res tells of a failure, no Error follows

	FlagRenews   = 4     // Watch: of a direction that was watched alone, by the next wait for it. See watch.go
	FlagReplaced = 0x100 // Watch, set by the engine: the number names another file than the one watched before, and of the set only Len is watched

	FlagDone   = 0x100 // Write and Send, set by the engine: the kernel has all of it
	FlagQueued = 0x200 // Write and Send, set by the engine: the rest waits; Released follows
	FlagFailed = 0x400 // Write and Send, set by the engine: Res is the errno; Error follows

	FlagCancel = 1 // Resolve: forget User's lookup

	FlagBackoff = 1 // AcceptFailed: no accept for a second

	ChildAdd    = 1     // Child: watch the pid in Len; ChildExited follows
	ChildRemove = 2     // Child: watch it no more
	ChildKill   = 3     // Child: send it the signal in Fd
	ChildScan   = 4     // Child: SIGCHLDs may have been missed: look at all
	ChildChoose = 5     // Child: User is the watcher of children to come, or 0; Res: the next child's, or EINVAL
	ChildAction = 0xff  // Child: the part of Flags that is one of the above
	FlagSigchld = 0x100 // ChildAdd, ChildScan: SIGCHLD reaches the pipe of this engine
)

// Submission is one request to the engine: struct gl_sqe.
type Submission struct {
	Op         Op
	Flags      uint16
	Fd         int32
	Generation uint32
	Res        int32
	User       uint64
	Ptr        uint64
	Len        int64
}

// Kind is what a Completion tells.
type Kind uint16

// The kinds, as in enum gl_kind.
const (
	Data Kind = iota + 1
	Readable
	EOF
	Error
	Wrote
	Released
	Accepted
	AcceptFailed
	WatchReady
	TimerDue
	Signal
	Datagram
	ChildExited
	Resolved
)

// Completion is one answer of the engine: struct gl_cqe.
type Completion struct {
	Kind       Kind
	Flags      uint16
	Fd         int32
	Generation uint32
	Res        int32
	User       uint64
	Ptr        uint64
	Len        int64
}

// RingQuery is a lookup as Resolve names it: struct gl_query.
type RingQuery struct {
	What                What
	Family, Type, Proto int32
	Flags               int32
	Flow, Scope         uint32
	Count               uint32
	Host, Service       uint64
	HostLen, ServiceLen int64 // ServiceLen: portService
	Answer              uint64
	Len                 int64
}

// Address is one address of an Answer, or of a sockaddr: struct gl_address.
type Address struct {
	Family, Type, Proto, Port int32
	Flow, Scope               uint32
	Host                      [48]byte
}

// Name is an address in text, or the path of a Unix socket: struct gl_name.
type Name struct {
	Family            int32
	Host              uint64
	HostLen           int64
	Port, Flow, Scope int64
}

// Timer is one of the timers that a TimersAdd starts, or that the host shows: struct gl_timer.
type Timer struct {
	When int64
	User uint64
}

// Stats counts what an engine has done since it was opened: struct gl_stats.
type Stats struct {
	Turns, Events, Submissions, Completions                uint64
	Reads, ReadBytes, Writes, WriteBytes, Accepts          uint64
	TimersAdded, TimersCancelled, TimersFired, Overflowing uint64
	Batches                                                uint64
	HostTurns                                              uint64 // of Turns, those of the host (near.go), which alone knows them
}
