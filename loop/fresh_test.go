//go:build unix

package loop

import (
	"slices"
	"testing"
	"time"
	"unsafe"
)

// show has the engine see timers in its turns from now on.
func (r *rig) show(timers []Timer) *Fresh {
	f := &Fresh{Timers: unsafe.Pointer(&timers[0]), Len: int32(len(timers)), First: timers[0].When}
	for _, t := range timers {
		if t.User != 0 {
			f.Live++
			f.First = min(f.First, t.When)
		}
	}
	r.fresh = f
	return f
}

func due(all []Completion) []uint64 {
	var users []uint64
	for _, c := range all {
		if c.Kind == TimerDue {
			users = append(users, c.User)
		}
	}
	return users
}

func TestFreshTimersStayTheHostsUntilOneIsDue(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		hour := r.Now() + int64(time.Hour)
		timers := []Timer{{hour, 1}, {hour + 1, 0}, {hour + 2, 2}}
		f := r.show(timers)
		for _, flags := range []TurnFlags{0, TurnPoll} {
			if got := due(r.turn(flags)); got != nil || f.Taken != 0 || r.Stats().TimersAdded != 0 {
				t.Fatalf("due %v, taken %d, added %d", got, f.Taken, r.Stats().TimersAdded)
			}
		}
		soon := r.Now() + int64(3*time.Millisecond)
		timers[1] = Timer{soon, 3}
		f = r.show(timers)
		got := due(r.turn(TurnWait))
		for got == nil && r.Now() < soon { // a signal of Go's runtime has ended the wait
			got = due(r.turn(TurnWait))
		}
		if !slices.Equal(got, []uint64{3}) {
			t.Errorf("due are %v, want that of the shown which ends the wait", got)
		}
		if now := r.Now(); now < soon || f.Taken != 3 || f.Live != 0 {
			t.Errorf("%d ns early, or not taken: %+v", soon-now, *f)
		}
		if d, added := r.Deadline(), r.Stats().TimersAdded; d != hour || added != 3 {
			t.Errorf("the next is due at %d, want %d; %d were added", d, hour, added)
		}
		r.submit(Submission{Op: OpTimerCancel, User: uint64(timers[0].When)})
		r.submit(Submission{Op: OpTimerCancel, User: uint64(timers[2].When)})
		r.turn(0)
		if r.timers.first() != nil {
			t.Error("one that was taken has not the name that it was given")
		}
	})
}

func TestFreshTimersComeBehindThoseOfTheSameTimeThatTheEngineHas(t *testing.T) {
	r := newRig(t, "", settings{})
	now := r.Now()
	for user := uint64(1); user <= 3; user++ {
		r.submit(Submission{Op: OpTimerAdd, User: user, Len: now - int64(user%2)})
	}
	r.show([]Timer{{now, 4}, {now - 1, 5}, {now, 6}})
	if got, want := due(r.turn(0)), []uint64{1, 3, 5, 2, 4, 6}; !slices.Equal(got, want) {
		t.Errorf("due are %v, want %v", got, want)
	}
}

func TestManyFreshTimersAreTaken(t *testing.T) {
	r := newRig(t, "", settings{})
	timers := make([]Timer, freshMost+1)
	for i := range timers {
		timers[i] = Timer{r.Now() + int64(time.Hour), uint64(i + 1)}
	}
	if f := r.show(timers[1:]); due(r.turn(0)) != nil || f.Taken != 0 {
		t.Error("taken, though none is due and they are few")
	}
	if f := r.show(timers); due(r.turn(0)) != nil || int(f.Taken) != len(timers) {
		t.Error("not taken")
	}
	if n := r.timers.len(); n != len(timers) {
		t.Errorf("the engine has %d", n)
	}
}

// TestTimersRoomHasTheFresh: what a crowd has left goes, and not what those need that the host has.
func TestTimersRoomHasTheFresh(t *testing.T) {
	const crowd, few = 10000, 400
	r := newRig(t, "", settings{})
	r.submit(Submission{Op: OpTimerReserve, Len: crowd})
	for range crowd {
		r.submit(Submission{Op: OpTimerAdd, Len: 1})
	}
	r.until(func() bool { return r.Stats().TimersFired == crowd })
	timers := make([]Timer, few)
	for i := range timers {
		timers[i] = Timer{r.Now() + int64(time.Hour), uint64(i + 1)}
	}
	r.show(timers)
	r.timers.lookedAt = -int64(time.Second)
	r.submit(Submission{Op: OpTimerAdd, Len: 1})
	r.turn(TurnWait)
	if room := r.TimersRoom(); room < few || room >= crowd {
		t.Errorf("room for %d timers, %d are to come", room, few)
	}
}
