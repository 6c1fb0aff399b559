package main

import "testing"

// What is left of an arena are the chunks behind that of the address.
func TestMissingRoom(t *testing.T) {
	for chunk := range arenaBytes / chunkBytes {
		for _, within := range []int{0, 8192, chunkBytes - 16} {
			left := arenaBytes - (chunk+1)*chunkBytes
			n := missingRoom(uintptr(7*arenaBytes + chunk*chunkBytes + within))
			if (n == 0) != (left >= roomBytes) {
				t.Errorf("%d bytes where %d are left", n, left)
			}
			if n != 0 && (n <= left || n < chunkBytes || n > roomBytes) {
				t.Errorf("%d bytes where %d are left", n, left)
			}
		}
	}
}
