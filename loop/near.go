package loop

// A stream that brings little, in turns of hardly any other, is near: when it is ready by the time that the loop would wait
// the host may read it itself, in a turn without the engine, whose part costs as much as the read of a short message.
//
//	far ──a read of NearBytes or less, of a turn with NearMost events or fewer──▶ near
//	near ──longer reads, Pause, end of file, error, Discard, Detach, Close, its place taken──▶ far
//
// Such a turn asks the selector and never waits. When it finds nothing, or what is no near stream, it leaves that to the engine:
// selectors are level-triggered. An end of file or an error that a read has met, it tells itself, at its place among what the others
// have brought, and submits it (OpRead).
const (
	// NearPlaces is how many streams can be near: a power of two, for a place is a number's last bits.
	NearPlaces = 16
	// NearMost is how many events such a turn takes: for more, batches are cheaper.
	NearMost = 2
	// NearBytes: a stream that brings more in one read is not near.
	NearBytes = 1 << 12
	// NearTime is how long after the engine's own look the host may take such turns, in ns: behind slow callbacks they save
	// nothing, and a thread that is away from Go for 10 ms has its monitor at work (pybind/pace.go).
	NearTime = 2_000_000

	nearAfter  = 8       // turns in a row that brought near streams alone: the next may be the host's,
	nearTurns  = 15      // and so many after each other.
	nearWorth  = 4       // Fewer that found something before one that did not are no gain,
	nearSeldom = 1 << 10 // and ask for twice as many turns of the engine before the next, up to so many
)

// Near is a place: struct gl_near. Generation 0: it is empty.
type Near struct {
	Fd         int32
	Generation uint32
	Pipe       int32 // 1: read(2), else recv(2)
}

// nearness is what an engine knows of its near streams.
type nearness struct {
	places *[NearPlaces]Near // the host's memory; nil: it takes no turns
	few    bool              // the turn under way has NearMost events at most,
	reads  int               // so many of which were reads of near streams
	streak int               // turns in a row in which all were, to after
	after  int               // nearAfter, or more
}

func (n *nearness) place(d *descriptor) *Near { return &n.places[d.fd&(NearPlaces-1)] }

// begins is for a turn with events.
func (n *nearness) begins(events int) {
	n.few, n.reads = events <= NearMost && n.places != nil, 0
}

// ends is for the same, when all of them have been served.
func (n *nearness) ends(events int) {
	switch {
	case !n.few || n.reads != events:
		n.streak = 0
	case n.streak < n.after:
		n.streak++
	}
	n.few = false
}

// has notes a read of count bytes that stands alone.
func (n *nearness) has(d *descriptor, count int) {
	if count > NearBytes {
		n.loses(d)
		return
	}
	p := n.place(d)
	p.Fd, p.Generation, p.Pipe = d.fd, d.generation, 0
	if d.pipe {
		p.Pipe = 1
	}
	n.reads++
}

// loses is for a stream that the host must not read any more.
func (n *nearness) loses(d *descriptor) {
	if n.places == nil {
		return
	}
	if p := n.place(d); p.Fd == d.fd && p.Generation == d.generation {
		*p = Near{}
	}
}

// HostTurns is how many turns may now go by without the engine, of those that would wait, have nothing to submit and
// no timer that is due.
func (e *Engine) HostTurns() int32 {
	if n := &e.near; n.streak < n.after || n.places == nil || e.owed > 0 {
		return 0
	}
	return nearTurns
}

// HostTook tells what became of the turns that the host was granted: so many found something, and then, if missed, one
// found nothing or what is not its own.
func (e *Engine) HostTook(found int32, missed bool) {
	n := &e.near
	switch {
	case !missed || found >= nearWorth:
		n.after = nearAfter
	case n.after < nearSeldom:
		n.after *= 2
	}
	if missed {
		n.streak = 0
	}
}

// hostRead takes over what the host has told of a read that brought no bytes: Res is its errno, 0 at the end of file.
func (e *Engine) hostRead(d *descriptor, s *Submission) {
	errno := s.Res
	s.Res = 0
	e.stats.Completions += counted
	if errno != 0 {
		e.breakOff(d, errno)
	} else if !d.ended && !d.broken {
		e.endReading(d)
	}
}
