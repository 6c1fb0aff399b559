package loop

import "time"

// A row's bounds: as many as keep bulk uploads out of their slow mode (docs/rationale.md), for no longer than others may wait.
const (
	rowReads = 4
	rowTime  = int64(200 * time.Microsecond)
)

// A row is the reads of one stream that follow each other in one turn. Peers who fill every read keep the
// system's queues full, where a byte costs more than in queues that are emptied; but other descriptors wait
// meanwhile, and so does what the protocol has scheduled.
type row struct {
	of     *descriptor // nil: nothing was read directly in this turn
	reads  int
	began  int64 // on the engine's clock
	filled bool  // the last read
}

// read counts a direct read of d that brought got of n bytes.
func (w *row) read(d *descriptor, now int64, got, n int) {
	if w.of != d {
		*w = row{of: d, began: now}
	}
	w.reads++
	w.filled = got == n && n >= directFrom
}

// ReadMore reports whether a stream that a Readable named, and whose Read has been delivered, should be read
// once more before the turn goes on: as long as it fills its reads, four times in a row, or for 200 µs with
// what its protocol does.
func (e *Engine) ReadMore(fd int32, generation uint32) bool {
	d := e.lookup(fd, generation)
	if e.closed || d == nil || d != e.row.of || !e.row.filled || d.paused || d.ended || d.broken {
		return false
	}
	if d.pipe { // another process may have made it blocking, and the selector has not spoken
		return false
	}
	return e.row.reads < rowReads && e.clock.now()-e.row.began < rowTime
}
