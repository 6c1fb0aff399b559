package loop

import (
	"syscall"

	"goloop/internal/sys"
)

// HostTries tells that the host may try a Write itself: one system call of its own instead of a submission, which for a
// short message costs as much as the call. It does so when nothing that it wrote before waits, so that the order stays; a
// Write with FlagTried brings what is left, and from there on the engine writes. Calls that a test lets fail are the engine's.
const HostTries = !sys.Faults

// JoinMost is how many bytes of one writelines the host copies, so that one try of its own is enough for its pieces. To copy
// more takes longer than the crossing that it saves (docs/rationale.md).
const JoinMost = 1 << 14

// submitTried settles a Write of which the host has tried what stands before it: it waits, or its stream fails.
func (e *Engine) submitTried(d *descriptor, i int, s *Submission) {
	errno := syscall.Errno(s.Res)
	s.Res = -1
	e.sent(d, int32(i), 1, s.Len, 0, errno)
	e.finishWriting(d)
}
