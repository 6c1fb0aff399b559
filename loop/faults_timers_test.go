//go:build unix && faults

package loop

import (
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"goloop/internal/sys"
)

// TestTimersForWhichThereIsNoMemoryStayTheHosts: it gives them again, and none is lost.
func TestTimersForWhichThereIsNoMemoryStayTheHosts(t *testing.T) {
	const crowd = 10000
	for _, way := range []string{"shown", "submitted"} {
		t.Run(way, func(t *testing.T) {
			r := newRig(t, "", settings{})
			give := func(timers []Timer) (taken int) {
				if way == "shown" {
					f := r.show(timers)
					r.turn(TurnPoll)
					r.fresh = nil
					return int(f.Taken)
				}
				r.kept = timers
				r.submit(Submission{Op: OpTimersAdd, Ptr: uint64(uintptr(unsafe.Pointer(&timers[0]))), Len: int64(len(timers))})
				return int(r.now()[0].Len)
			}
			timers := make([]Timer, crowd)
			want := make([]uint64, crowd)
			for i := range timers {
				want[i] = uint64(i + 1)
				timers[i] = Timer{r.Now(), want[i]}
			}
			hour := r.Now() + int64(time.Hour)
			timers[crowd-1].When = hour
			plan := arm(t, sys.Fault{Name: "mmap|mremap", Fd: sys.Any, Errno: syscall.ENOMEM, Times: sys.Always})
			taken := give(timers)
			if plan.Met() == 0 || taken == 0 || taken == crowd || timers[crowd-1].When != hour {
				t.Fatalf("%d of %d taken; %d calls met the fault", taken, crowd, plan.Met())
			}
			sys.Disarm()
			timers[crowd-1].When = r.Now()
			if rest := give(timers[taken:]); rest != crowd-taken {
				t.Fatalf("%d of %d taken where there is memory", rest, crowd-taken)
			}
			r.until(func() bool { return r.Stats().TimersFired == crowd })
			if got := due(r.inbox); !slices.Equal(got, want) {
				t.Errorf("%d are due, want %d, each once and in order", len(got), crowd)
			}
		})
	}
}
