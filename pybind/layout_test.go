package main

import (
	"slices"
	"testing"
)

// TestLayout: Go's structs are C's, field by field.
func TestLayout(t *testing.T) {
	if ours, theirs := layout(), layoutOfC(); !slices.Equal(ours, theirs) {
		t.Errorf("Go lays the structs out as\n%v\nC as\n%v", ours, theirs)
	}
}

// TestBoundary: the text is told as tools/backend/boundary.py computes it, by FNV's own example, and one letter makes another.
func TestBoundary(t *testing.T) {
	told := boundary()
	defer func(own []byte) { text = own }(text)
	text = []byte("foobar")
	if got := boundary(); got != 0x85944171f73967e8 || got == told {
		t.Errorf("foobar is told as %#x", got)
	}
}

// TestNumbers: what entries may hold means the same on both sides.
func TestNumbers(t *testing.T) {
	for _, n := range numbers() {
		if n.ours != n.theirs {
			t.Errorf("%s is %d in Go and %d in C", n.name, n.ours, n.theirs)
		}
	}
}
