package loop

import (
	"syscall"
	"unsafe"
)

// A host that always has something to run looks at the selector before each turn. After BellAfter looks in a row that found
// nothing it asks for a bell: a word of memory that changes when there is something to find (selector.Bell).
const (
	// BellAfter: to listen costs as much as six looks.
	BellAfter = 32
	// BellPatience is how many times the host does without before the first bell of its loop, for a process that has one ends later by
	// some ten ms. The host counts them itself: calls some hundred µs apart have Go's monitor take the loop's processor away each time
	// and look for work all the time, 6 % of a core.
	BellPatience = 2048
)

// ringBell answers OpBell.
func (e *Engine) ringBell(s *Submission) {
	s.Res = int32(syscall.EAGAIN)
	if e.silent {
		return
	}
	if word, silent := e.sel.Bell(); word != nil {
		s.Res, s.Ptr, s.Len = 0, uint64(uintptr(unsafe.Pointer(word))), int64(silent)
	}
}
