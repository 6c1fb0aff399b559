package main

import (
	"syscall"
	"testing"

	"goloop/loop"
)

// TestMemoryOfTheLoopFreedLast is lent to the next one, with what it has grown to.
func TestMemoryOfTheLoopFreedLast(t *testing.T) {
	first, second := openClient(""), openClient("")
	if first.handle <= 0 || second.handle <= 0 {
		t.Fatal("goloop_open:", first.handle, second.handle)
	}
	if &first.arena[0] == &second.arena[0] || &first.completions[0] == &second.completions[0] {
		t.Fatal("two open engines have one memory")
	}
	entries := len(first.ring(1))
	first.ring(1)[entries-1] = loop.Submission{User: 7}
	before := &first.ring(0)[0]
	if n, rc := first.widen(1); n != 2*entries || rc != 0 || first.ring(1)[entries-1].User != 7 {
		t.Errorf("goloop_widen = %d, %d entries: %v", rc, n, first.ring(1)[entries-1])
	}
	if &first.ring(0)[0] != before {
		t.Error("the other ring has moved")
	}
	for _, c := range []*client{first, second} {
		if rc := c.closeEngine(); rc != 0 {
			t.Error("goloop_close:", rc)
		}
		c.completions[0].User, c.arena[0] = 1, 1 // they are there as yet
		for range 2 {
			if rc := c.release(); rc != 0 {
				t.Error("goloop_release:", rc)
			}
		}
	}
	if _, rc := second.widen(0); rc != -int(syscall.EBADF) {
		t.Errorf("goloop_widen of what was given back = %d", rc)
	}
	third := openClient("")
	if &third.arena[0] != &first.arena[0] || len(third.ring(1)) != 2*entries || len(third.ring(0)) != entries {
		t.Error("the next engine has other memory than the one freed before")
	}
	third.close()
}
