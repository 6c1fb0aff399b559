package main

import "unsafe"

// Go's heap lies in arenas of 64 MiB of addresses (64-bit Linux). The runtime reserves the first when it
// starts and, since Go 1.26, begins at a random multiple of 4 MiB in it; at its end it asks for the
// next, and ends the process when the system refuses. So that this is not left to chance, the next is
// reserved at once where the first has less than the heap of an engine takes: the collector
// begins at 11 MiB (pybind/main.go), and the heap's size then is 16 MiB and what the cycle itself allocates.
const (
	arenaBytes = 64 << 20
	chunkBytes = 4 << 20 // by which the heap grows in an arena
	roomBytes  = 20 << 20
)

// missingRoom is the size of an object that is too large for the rest of an arena, when the heap has come
// to address; 0 when that rest is enough.
func missingRoom(address uintptr) int {
	used := int(address%arenaBytes)/chunkBytes + 1
	if left := arenaBytes - used*chunkBytes; left < roomBytes {
		return left + chunkBytes
	}
	return 0
}

// reserveHeap sees to it that the heap can grow by roomBytes without another address. What it allocates is
// never touched, and the next collection frees it.
func reserveHeap() {
	onHeap = make([]byte, 16)
	onHeap = make([]byte, missingRoom(uintptr(unsafe.Pointer(&onHeap[0]))))
	onHeap = nil
}

var onHeap []byte // so that they are not on the stack
