package main

import (
	"testing"
	"time"
)

const lookOfMonitor = int64(10 * time.Millisecond)

// The monitor takes a P that has scheduled nothing between two of its looks, which are 10 ms apart at least.
func TestASteadyLoopYieldsBetweenTwoLooksOfTheMonitor(t *testing.T) {
	for _, step := range []time.Duration{time.Microsecond, 100 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 4500 * time.Microsecond} {
		var p pace
		now, last, yields := int64(1)<<60, int64(0), 0
		for range 10 * lookOfMonitor / int64(step) {
			now += int64(step)
			if !p.step(now, false) {
				continue
			}
			if last != 0 && now-last > lookOfMonitor {
				t.Errorf("turns of %v: %v between two yields", step, time.Duration(now-last))
			}
			last = now
			p.yields(now)
			yields++
		}
		if most := int(10*lookOfMonitor/yieldWithin) + 3; step < time.Millisecond && yields > most {
			t.Errorf("turns of %v: %d yields in 100 ms, at most %d are needed", step, yields, most)
		}
	}
}

func TestALoopWithSomeLongTurnsYieldsEarly(t *testing.T) {
	var p pace
	now := int64(1) << 60
	p.yields(now)
	last := now
	for i := range 1000 {
		step := int64(100 * time.Microsecond)
		if i%30 == 29 {
			step = int64(3 * time.Millisecond)
		}
		now += step
		if i > 100 && now-last > lookOfMonitor {
			t.Fatalf("turn %d: %v since the last yield", i, time.Duration(now-last))
		}
		if p.step(now, false) {
			p.yields(now)
			last = now
		}
	}
}

func TestWhatHasWaitedWithoutAProcessorNeedNotYield(t *testing.T) {
	var p pace
	now := int64(1) << 60
	for range 100 {
		if p.step(now, true) {
			t.Fatal("it yields after a wait that gave the processor up")
		}
		now += int64(20 * time.Millisecond)
	}
	p.step(now, true)
	woke := now
	for !p.step(now, false) {
		if now += int64(100 * time.Microsecond); now-woke > 2*yieldAwake {
			t.Fatal("it goes on after a wait, and never yields")
		}
	}
	if now-woke < yieldAwake/2 {
		t.Errorf("it yields %v after its wait", time.Duration(now-woke))
	}
}
