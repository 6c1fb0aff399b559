//go:build unix

package loop

import (
	"bytes"
	"syscall"
	"testing"
	"unsafe"
)

// TestTurnAsideKeepsWhatIsBeingHandled: a turn inside the handling of a completion leaves its entry and its bytes,
// and is told where Aside has said.
func TestTurnAsideKeepsWhatIsBeingHandled(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		p := r.attach(a, 1)
		put(t, b, []byte("outer"))
		r.await(Data, p)
		outer := r.Engine.cq[0]
		held := unsafe.Slice((*byte)(pointer(outer.Ptr)), outer.Len)

		sq := []Submission{{Op: OpAside, Fd: -1}}
		if err := r.Submit(sq); err != nil {
			t.Fatal(err)
		}
		expectErrno(t, "Aside", syscall.Errno(sq[0].Res), 0)
		told := (*Completion)(pointer(sq[0].Ptr))

		put(t, b, []byte("inner"))
		n := 0
		for n == 0 {
			var err error
			if n, err = r.Turn(nil, TurnWait|TurnAside); err != nil {
				t.Fatal(err)
			}
		}
		inner := unsafe.Slice((*byte)(pointer(told.Ptr)), told.Len)
		if n != 1 || told.Kind != Data || !bytes.Equal(inner, []byte("inner")) {
			t.Errorf("the inner turn told %d: %+v %q", n, *told, inner)
		}
		if got := r.Engine.cq[0]; got != outer || !bytes.Equal(held, []byte("outer")) {
			t.Errorf("the outer completion is %+v, %q; it was %+v", got, held, outer)
		}
		again := []Submission{{Op: OpAside, Fd: -1}}
		if err := r.Submit(again); err != nil || again[0].Ptr != sq[0].Ptr {
			t.Errorf("Aside again: %v, at %#x, want %#x", err, again[0].Ptr, sq[0].Ptr)
		}
	})
}
