package mapped

import (
	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// remap makes a mapping one of size bytes, with what it held as far as that fits, and makes
// a new one of nil.
func remap(old []byte, size int) ([]byte, error) {
	if old == nil {
		return sys.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	}
	return sys.Mremap(old, size, unix.MREMAP_MAYMOVE)
}

func unmap(b []byte) { _ = sys.Munmap(b) }
