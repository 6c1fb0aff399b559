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
	// bellPatience is how often the host asks in vain before the first bell of its loop: a process that has one ends later by some ten ms.
	bellPatience = 2048
)

// ringBell answers OpBell.
func (e *Engine) ringBell(s *Submission) {
	s.Res = int32(syscall.EAGAIN)
	if e.bellAsks++; e.bellAsks <= bellPatience || e.silent {
		return
	}
	if word, silent := e.sel.Bell(); word != nil {
		s.Res, s.Ptr, s.Len = 0, uint64(uintptr(unsafe.Pointer(word))), int64(silent)
	}
}
