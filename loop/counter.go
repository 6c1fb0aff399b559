package loop

import (
	"slices"

	"goloop/internal/sys"
)

// The processor's counter costs a third of the clock, and is read twice for each wait. How fast it runs nobody asks: what was
// counted is a share of a stretch of so many ticks, whose length the clock has told (Meters.settle). So a counter that changes its pace,
// as that of a machine that has moved to another host, or that begins anew, makes one stretch wrong, and by no more than its length.

// trusted are the clocks of Linux that are made of the counter: it goes on while a processor sleeps, and is the same on all
// of them. The kernel watches it, and leaves one that does not do.
var trusted = []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"}

// counts tells whether the counter may stand for the clock.
func counts() bool { return hasCounter && slices.Contains(trusted, sys.ClockSource()) }
