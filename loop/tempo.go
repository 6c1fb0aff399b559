package loop

import "time"

const (
	quietAfter = int64(10 * time.Millisecond) // ns between two waits; the limit of Go's monitor thread
	busyAfter  = 8                            // so many waits at shorter distances: the loop is busy
)

// tempo tells a quiet loop from a busy one by when its waits end. The selector takes a
// hint of it.
//
//	quiet ──busyAfter waits in a row, each within quietAfter of the one before──▶ busy
//	busy ──a wait that ends later than that──▶ quiet
type tempo struct {
	last  int64 // ns, when a wait last ended
	short int   // waits in a row that ended soon after the one before
}

func (t *tempo) quiet() bool { return t.short < busyAfter }

// ended notes a wait that ended at now and tells whether it has changed quiet.
func (t *tempo) ended(now int64) bool {
	was := t.quiet()
	if now-t.last > quietAfter {
		t.short = 0
	} else if was {
		t.short++
	}
	t.last = now
	return t.quiet() != was
}
