//go:build linux

package main

import (
	"math"
	"testing"
	"time"
)

// TestArrivalsArePoisson: as many as the rate says, as far apart as exponential gaps are, evenly over the connections.
func TestArrivalsArePoisson(t *testing.T) {
	const perSecond, conns, count = 5000, 10, 200_000
	a := newArrivals(1, perSecond, conns)
	var each [conns]int
	var last, squares float64
	for range count {
		due, conn := a.next()
		gap := float64(due) - last
		last = float64(due)
		squares += gap * gap
		each[conn]++
	}
	mean := last / count
	if want := float64(time.Second) / perSecond; math.Abs(mean/want-1) > 0.01 {
		t.Errorf("%v ns between two requests, want %v", mean, want)
	}
	// The standard deviation of an exponential distribution is its mean.
	if deviation := math.Sqrt(squares/count - mean*mean); math.Abs(deviation/mean-1) > 0.02 {
		t.Errorf("a deviation of %v ns at a mean of %v", deviation, mean)
	}
	for conn, n := range each {
		if math.Abs(float64(n)/(count/conns)-1) > 0.05 {
			t.Errorf("connection %d has %d of %d requests", conn, n, count)
		}
	}
}

func TestArrivalsOfOneSeedAreTheSame(t *testing.T) {
	a, b, other := newArrivals(7, 1000, 4), newArrivals(7, 1000, 4), newArrivals(8, 1000, 4)
	same := true
	for range 100 {
		due, conn := a.next()
		again, connAgain := b.next()
		if due != again || conn != connAgain {
			t.Fatalf("%d on %d and %d on %d", due, conn, again, connAgain)
		}
		third, _ := other.next()
		same = same && due == third
	}
	if same {
		t.Error("another seed gives the same schedule")
	}
}
