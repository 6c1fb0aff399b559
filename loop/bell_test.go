package loop

import (
	"syscall"
	"testing"
	"unsafe"

	"goloop/selector"
)

// TestBell: the answer is the selector's; without batches there is none.
func TestBell(t *testing.T) {
	s, err := selector.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	word, _ := s.Bell()
	for _, unbatched := range []bool{false, true} {
		e, err := New(Options{Completions: make([]Completion, 8), Unbatched: unbatched})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		ask := func() Submission {
			sq := []Submission{{Op: OpBell, Fd: -1}}
			if err := e.Submit(sq); err != nil {
				t.Fatal(err)
			}
			return sq[0]
		}
		got := ask()
		if word == nil || unbatched {
			if got.Res != int32(syscall.EAGAIN) {
				t.Fatalf("unbatched=%v, where there is no bell: %+v", unbatched, got)
			}
			continue
		}
		if got.Res != 0 || int64(**(**uint32)(unsafe.Pointer(&got.Ptr))) != got.Len {
			t.Fatalf("there is a bell, and an ask gave %+v", got)
		}
	}
}
