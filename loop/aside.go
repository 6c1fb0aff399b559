package loop

import (
	"syscall"
	"unsafe"

	"goloop/internal/mapped"
)

// aside is the memory of turns that are taken while a completion of an earlier one is being handled: that one keeps
// its entry and its bytes. Such a turn is told by TurnAside, and what it brings is valid until the next of its kind.
type aside struct {
	completions mapped.Slice[Completion]
	bytes       mapped.Slice[byte]

	// The other memory: that of the engine's turns, and in such a turn the engine's own.
	cq    []Completion
	arena []byte
}

// layAside makes the memory, as large as the engine's other, and tells in Ptr where completions will lie. Res: ENOMEM.
// Pages are paid for as far as they are used.
func (e *Engine) layAside(s *Submission) {
	a := e.aside
	if a == nil {
		a = &aside{}
		if !a.completions.Grow(len(e.cq)) || !a.bytes.Grow(len(e.arena)) {
			a.free()
			s.Res = int32(syscall.ENOMEM)
			return
		}
		a.cq, a.arena = a.completions.Items[:len(e.cq)], a.bytes.Items[:len(e.arena)]
		e.aside = a
	}
	s.Ptr = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(a.cq))))
}

// swapAside makes of a turn's memory the other one: before such a turn, and after it.
func (e *Engine) swapAside() {
	if a := e.aside; a != nil {
		e.cq, a.cq = a.cq, e.cq
		e.arena, a.arena = a.arena, e.arena
	}
}

func (a *aside) free() {
	if a != nil {
		a.completions.Free()
		a.bytes.Free()
	}
}
