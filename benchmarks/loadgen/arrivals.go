//go:build linux

package main

import (
	"math/rand/v2"
	"time"
)

// arrivals is the schedule of an open loop: requests that come whether or not the last was answered. The gaps between them are
// exponential and each is of a connection chosen evenly, which is the same as a Poisson process of each connection by itself.
// Equal seeds give equal schedules.
type arrivals struct {
	random *rand.Rand
	gap    float64 // mean, ns
	conns  int
	due    float64 // of the last, ns after the start: float64, so that rounding does not add up
}

func newArrivals(seed uint64, perSecond float64, conns int) *arrivals {
	return &arrivals{random: rand.New(rand.NewPCG(seed, seed)), gap: float64(time.Second) / perSecond, conns: conns}
}

// next returns when the next request is due, in ns after the start, and on which connection.
func (a *arrivals) next() (due int64, conn int) {
	a.due += a.random.ExpFloat64() * a.gap
	return int64(a.due), a.random.IntN(a.conns)
}
