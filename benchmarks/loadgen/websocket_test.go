//go:build linux

package main

import (
	"bytes"
	"testing"
)

func TestFrameHeader(t *testing.T) {
	for _, test := range []struct {
		size   int
		masked bool
		want   []byte
	}{
		{5, false, []byte{0x82, 5}},
		{125, true, []byte{0x82, 0x80 | 125}},
		{126, false, []byte{0x82, 126, 0, 126}},
		{1024, true, []byte{0x82, 0x80 | 126, 4, 0}},
		{1 << 16, false, []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		if got := frameHeader(test.size, test.masked); !bytes.Equal(got, test.want) {
			t.Errorf("%d bytes, masked %v: %x, want %x", test.size, test.masked, got, test.want)
		}
	}
}

// TestAnswersAreChecked: an answer counts when it is whole, and fails when it is another connection's.
func TestAnswersAreChecked(t *testing.T) {
	w := newWebsockets(&options{conns: 2, size: 16}, newMeter(2)).(*websockets)
	c := &w.conns[1]
	answer := append(frameHeader(16, false), w.expected(1, c)...)
	c.buffer = answer[:10]
	if whole, err := w.check(1, c); whole || err != nil {
		t.Fatalf("a part of an answer: %v, %v", whole, err)
	}
	c.buffer = answer
	if whole, err := w.check(1, c); !whole || err != nil || w.m.errors != 0 {
		t.Fatalf("an answer: %v, %v, %d errors", whole, err, w.m.errors)
	}
	if whole, _ := w.check(0, c); !whole || w.m.errors != 1 {
		t.Errorf("another connection's answer: %d errors", w.m.errors)
	}
	c.buffer = append([]byte{0x88, 2}, answer...)
	if _, err := w.check(1, c); err == nil {
		t.Error("a close frame is no error")
	}
}
