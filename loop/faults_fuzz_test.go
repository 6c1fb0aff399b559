//go:build unix && faults

package loop

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goloop/internal/sys"
	"goloop/selector"
)

// FuzzRingAndSystem is FuzzRing on a system whose calls fail and come back short. The first byte chooses as there, the
// next two the faults. What FuzzRing promises holds, and nothing stays open.
func FuzzRingAndSystem(f *testing.F) {
	random := rand.New(rand.NewPCG(7, 8))
	for i := range 300 {
		b := []byte{byte(i), byte(random.Uint32()), byte(random.IntN(6))}
		for range random.IntN(150) {
			fd, generation := byte(random.IntN(10)), byte(random.IntN(2))
			op := byte(random.IntN(int(fuzzOps)))
			if random.IntN(3) == 0 { // or hardly anything would be attached, and looked at
				op = []byte{byte(OpAttach), byte(OpListen), byte(OpDatagram), byte(OpWatch), byte(fuzzTurn), byte(fuzzTurn)}[random.IntN(6)]
			}
			b = append(b, op, fd|generation<<4, byte(random.Uint32()))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 3 {
			return
		}
		backends := selector.Backends()
		z := newFuzzed(t, backends[int(b[0]&3)%len(backends)], b[0]&4 != 0)
		z.batching() // or it would take the number of a descriptor that is closed
		open := z.descriptors()
		inject := chaos(b[1], b[2])
		sys.Inject(inject)
		defer sys.Disarm()
		for b = b[3:]; len(b) >= 3; b = b[3:] {
			z.step(fuzzStep{op: Op(b[0] % fuzzOps), fd: b[1] & 15, generation: b[1] >> 4, arg: b[2]})
		}
		z.end()
		sys.Disarm()
		if now := z.descriptors(); now != open {
			t.Errorf("%d descriptors are open, which were %d", now, open)
		}
	})
}

// chaos is an injector that fails one call in so many with any errno.
func chaos(seed, often byte) sys.Injector {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(uint64(seed), 9))
	waiting := strings.Split(selecting, "|")
	return func(c sys.Call) (int, syscall.Errno) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case random.IntN(int(often)+2) > 0:
			return c.N, 0
		case slices.Contains(waiting, c.Name): // a turn that cannot look is another test's
			return c.N, syscall.EINTR
		case c.N > 1 && random.IntN(2) == 0:
			return 1 + random.IntN(c.N), 0
		}
		return c.N, errnos[random.IntN(len(errnos))]
	}
}
