//go:build unix && !faults

package sys

import "syscall"

// faults: every call is made as it is.
const faults = false

func ask(string, int, int) (int, syscall.Errno) { panic("sys: built without the tag faults") }

func askVector(string, int, *Iovec, int) (*Iovec, int, syscall.Errno) {
	panic("sys: built without the tag faults")
}
