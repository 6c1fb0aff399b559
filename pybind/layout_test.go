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

func TestABINumbers(t *testing.T) {
	want := layout()
	if got, n := abiNumbers(64); n != len(want) || !slices.Equal(got, want) {
		t.Errorf("goloop_abi gave %d numbers: %v", n, got)
	}
	if got, n := abiNumbers(3); n != 3 || !slices.Equal(got, want[:3]) {
		t.Errorf("goloop_abi with room for 3 gave %d numbers: %v", n, got)
	}
	if _, n := abiNumbers(-1); n != 0 {
		t.Errorf("goloop_abi with a negative size gave %d numbers", n)
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
