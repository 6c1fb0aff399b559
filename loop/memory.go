package loop

import "goloop/internal/mapped"

// Sizes of a Memory. Its pages are paid for as far as they are used.
const (
	ringEntries = 4096
	arenaBytes  = 512 << 10
)

// Memory is what an engine and a host that is not Go's share: rings of submissions, of which the host fills one while the engine has
// the other, and for Options the ring of completions and the arena. It is mapped: where the kernel copies to an odd multiple of 16
// bytes, as malloc gives, the copy of a read took eight times as long on the processor measured.
type Memory struct {
	submissions [2]mapped.Slice[Submission]
	completions mapped.Slice[Completion]
	arena       mapped.Slice[byte]
}

// NewMemory maps it. It returns nil when the system has none.
func NewMemory() *Memory {
	m := &Memory{}
	if extend(&m.submissions[0], ringEntries) && extend(&m.submissions[1], ringEntries) &&
		extend(&m.completions, ringEntries) && extend(&m.arena, arenaBytes) {
		return m
	}
	m.Free()
	return nil
}

// extend makes an array n items long. It is false when there is no memory.
func extend[T any](s *mapped.Slice[T], n int) bool {
	if !s.Reserve(n) {
		return false
	}
	s.Items = s.Items[:n]
	return true
}

// Submissions is one of the two rings.
func (m *Memory) Submissions(ring int) []Submission { return m.submissions[ring].Items }

// Completions is for Options.
func (m *Memory) Completions() []Completion { return m.completions.Items }

// Arena is for Options.
func (m *Memory) Arena() []byte { return m.arena.Items }

// Widen makes a ring of submissions, which may move, twice as long. It is false when the system has no memory.
func (m *Memory) Widen(ring int) bool {
	return extend(&m.submissions[ring], 2*len(m.submissions[ring].Items))
}

// Free gives it back: nobody may look there any more.
func (m *Memory) Free() {
	m.submissions[0].Free()
	m.submissions[1].Free()
	m.completions.Free()
	m.arena.Free()
}
