package mapped

import "golang.org/x/sys/unix"

// remap makes a mapping one of size bytes, with what it held as far as that fits, and makes
// a new one of nil.
func remap(old []byte, size int) ([]byte, error) {
	if old == nil {
		return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	}
	return unix.Mremap(old, size, unix.MREMAP_MAYMOVE)
}

func unmap(b []byte) { _ = unix.Munmap(b) }
