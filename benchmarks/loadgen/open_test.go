//go:build linux

package main

import (
	"testing"
	"time"
)

// newStill is an open loop of one connection, without a socket.
func newStill() *openLoop {
	opt := &options{conns: 1, size: 4, depth: 1, rate: 1000, seed: 1}
	return newOpenLoop(opt, newMeter(1)).(*openLoop)
}

// TestLatencyCountsFromWhenItWasDue: two messages that are answered together waited each for itself, however late they were sent.
func TestLatencyCountsFromWhenItWasDue(t *testing.T) {
	o := newStill()
	o.waiting[0] = []int64{1_000_000, 3_000_000}
	o.take(0, &o.conns[0], []byte("abcdef"), 5_000_000)
	if got := o.m.latency.quantile(1); got != 4000 || o.m.requests != 1 {
		t.Fatalf("%d answers, the slowest after %v µs", o.m.requests, got)
	}
	o.take(0, &o.conns[0], []byte("gh"), 6_000_000)
	if got := o.m.latency.quantile(0); o.m.requests != 2 || got < 2990 || got > 3050 || len(o.waiting[0]) != 0 {
		t.Fatalf("%d answers, the fastest after %v µs, %d outstanding", o.m.requests, got, len(o.waiting[0]))
	}
	o.take(0, &o.conns[0], []byte("ijkl"), 6_000_000)
	if o.m.errors != 1 {
		t.Error("an answer to nothing is no error")
	}
}

// TestOnlyTheWindowIsMeasured: an answer to what was due before it counts as an answer, not as a latency.
func TestOnlyTheWindowIsMeasured(t *testing.T) {
	o := newStill()
	o.begun = 2_000_000
	o.waiting[0] = []int64{1_000_000, 3_000_000}
	o.take(0, &o.conns[0], []byte("abcdefgh"), 4_000_000)
	if got := o.m.latency; got.total != 1 || got.max != 1_000_000 || o.m.requests != 2 {
		t.Errorf("%d latencies, the greatest %d ns, of %d answers", got.total, got.max, o.m.requests)
	}
}

// TestWhatIsNeverAnsweredIsMeasured: else a server that hangs would look fast.
func TestWhatIsNeverAnsweredIsMeasured(t *testing.T) {
	o := newStill()
	due := now() - int64(time.Second)
	o.waiting[0] = []int64{due}
	if o.outstanding() != 1 {
		t.Fatalf("%d outstanding", o.outstanding())
	}
	o.abandon()
	if got := o.m.latency.max; got < int64(time.Second) {
		t.Errorf("after a second a message counts as %d ns late", got)
	}
}
