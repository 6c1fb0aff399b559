package main

import (
	"math"
	"syscall"
	"testing"

	"goloop/loop"
)

// TestRules: C is told in the shared memory what it compares with, and its batches are taken in a turn.
func TestRules(t *testing.T) {
	c := open(t)
	want := rules{
		holdTime: loop.HoldTime, holdMost: loop.HoldMost, holdSends: loop.HoldSends, holdFrom: math.MaxInt32, lookEvery: loop.LookEvery,
		bellAfter: loop.BellAfter, bellPatience: loop.BellPatience, crowd: loop.Crowd,
		highWater: 64 << 10, lowWater: 16 << 10,
	}
	check := func(after string) {
		t.Helper()
		if got := c.rules(); got != want {
			t.Errorf("after %s the rules are\n%+v, want\n%+v", after, got, want)
		}
	}
	check("goloop_open")
	c.ran(600, 0, 0)
	c.turn(nil, 0)
	check("a turn with 600 callbacks")
	c.ran(300, 0, 0)
	c.ran(100, 0, 0)
	want.untoldShort = 400
	c.submit()
	check("goloop_submit")
	want.untoldShort, want.holdFrom = 0, loop.Crowd
	c.turn(nil, 0)
	check("a turn with 400 more")
	c.ran(5, loop.Crowd, 1e9)
	want.holdFrom = math.MaxInt32
	c.turn(nil, 0)
	check("a turn with a long batch")
}

func TestWriteBufferLimits(t *testing.T) {
	one, two := 1.5, 2.5
	for _, test := range []struct {
		high, low *float64
		bytes     [2]int64
		shown     [2]float64
		rc        int
	}{
		{nil, nil, [2]int64{65536, 16384}, [2]float64{65536, 16384}, 0},
		{&two, nil, [2]int64{2, 0}, [2]float64{2.5, 0}, 0},
		{nil, &two, [2]int64{10, 2}, [2]float64{10, 2.5}, 0},
		{&two, &one, [2]int64{2, 1}, [2]float64{2.5, 1.5}, 0},
		{&one, &two, [2]int64{}, [2]float64{1.5, 2.5}, -int(syscall.EINVAL)},
	} {
		bytes, shown, rc := writeBufferLimits(test.high, test.low)
		if bytes != test.bytes || shown != test.shown || rc != test.rc {
			t.Errorf("%v, shown as %v, with %d, want %v, %v, %d", bytes, shown, rc, test.bytes, test.shown, test.rc)
		}
	}
}
