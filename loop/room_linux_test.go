package loop

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRoom: of a stream may be held, above its limit, half of what the kernel has room for, while nothing of it waits in the engine.
func TestRoom(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		size, err := unix.GetsockoptInt(a, unix.SOL_SOCKET, unix.SO_SNDBUF)
		if err != nil {
			t.Fatal(err)
		}
		stream := pair{int32(a), 1}
		ask := func(name string, n int64, want int64) {
			t.Helper()
			r.submit(Submission{Op: OpRoom, Fd: stream.fd, Generation: stream.generation, Len: n})
			if got := r.now()[0].Res; int64(got) != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
		half := min(int64(size/2), holdBytes)
		ask("not attached yet", 1<<10, half)
		r.attach(a, 1)
		r.now()
		ask("half of the buffer", half, half)
		ask("as much as is ever held", holdBytes, half)
		ask("more than that", holdBytes+1, 0)
		fill(t, a)
		ask("a full buffer", 1<<10, 0)
		r.tried(stream, []byte("hello"), syscall.EAGAIN)
		r.now()
		drain(t, b)
		ask("an empty one, and something waits", 1<<10, 0)
		r.until(func() bool { return r.buffered[stream] == 0 })
		drain(t, b)
		ask("nothing waits", 1<<10, half)
		r.settled()

		ends := make([]int, 2)
		if err := unix.Pipe(ends); err != nil {
			t.Fatal(err)
		}
		own(t, ends[0])
		own(t, ends[1])
		stream = pair{int32(ends[1]), 1}
		ask("no socket", 1<<10, 0)
	})
}
