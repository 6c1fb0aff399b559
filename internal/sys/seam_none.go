//go:build unix && !faults

package sys

import "syscall"

// Faults tells whether calls ask first: here each is made as it is.
const Faults = false

func ask(string, int, int) (int, syscall.Errno) { panic("sys: built without the tag faults") }

func askVector(string, int, *Iovec, int) (*Iovec, int, syscall.Errno) {
	panic("sys: built without the tag faults")
}

// Cut is not called.
func Cut([]Iovec, int) int { panic("sys: built without the tag faults") }
