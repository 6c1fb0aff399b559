package loop

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is what timers promises, in its plainest form: a list of what is
// scheduled, in the order of scheduling.
type model []scheduledTimer

type scheduledTimer struct {
	when int64
	user uint64
	name timerName
}

// first is the index of the timer that is due first, or -1.
func (m model) first() int {
	first := -1
	for i := range m {
		if first < 0 || m[i].when < m[first].when {
			first = i
		}
	}
	return first
}

func checkHeap(t *testing.T, h *timers) {
	t.Helper()
	dead := 0
	items := h.heap.Items[h.gone:]
	if h.heaped && (h.gone > 0 || len(items) == 0) {
		t.Fatalf("a heap of %d, with %d gone", len(items), h.gone)
	}
	for i := range items {
		parent := (i - 1) / 4
		if !h.heaped {
			parent = max(i-1, 0)
		}
		if i > 0 && items[i].before(&items[parent]) {
			t.Fatalf("timer %d is before %d, which it has to follow", i, parent)
		}
		if !h.isLive(&items[i]) {
			dead++
		}
	}
	if dead != h.cancelled {
		t.Fatalf("%d cancelled timers are counted, %d are in the heap", h.cancelled, dead)
	}
}

// modelled is a heap and its model, which the same is done to.
type modelled struct {
	h     timers
	m     model
	names map[timerName]bool // all that were given
	user  uint64
}

func (z *modelled) add(t *testing.T, when int64) {
	t.Helper()
	z.user++
	name, ok := z.h.add(z.user, when)
	if !ok || name>>32 == 0 || z.names[name] {
		t.Fatalf("the name %#x, %v", name, ok)
	}
	if z.names == nil {
		z.names = map[timerName]bool{}
	}
	z.names[name] = true
	z.m = append(z.m, scheduledTimer{when, z.user, name})
}

func (z *modelled) cancel(name timerName) {
	z.h.cancel(name)
	z.m = slices.DeleteFunc(z.m, func(t scheduledTimer) bool { return t.name == name })
}

// some is the name of a live timer, or one that is none's.
func (z *modelled) some(n int) timerName {
	if n < len(z.m) {
		return z.m[n].name
	}
	return timerName(n/2)<<32 | timerName(n%200)
}

// popDue takes all that is due.
func (z *modelled) popDue(t *testing.T, now int64) {
	t.Helper()
	for {
		got, user, ok := z.h.pop(now)
		first := z.m.first()
		if ok != (first >= 0 && z.m[first].when <= now) {
			t.Fatalf("pop(%d) = %+v, %v with %d in the model", now, got, ok, len(z.m))
		}
		if !ok {
			return
		}
		if want := z.m[first]; user != want.user || got.when != want.when {
			t.Fatalf("pop gave %+v of %d, want %+v", got, user, want)
		}
		z.m = slices.Delete(z.m, first, first+1)
	}
}

func (z *modelled) check(t *testing.T) {
	t.Helper()
	checkHeap(t, &z.h)
	checkNames(t, &z.h.timerNames, len(z.m))
	want := int64(math.MaxInt64)
	if first := z.m.first(); first >= 0 {
		want = z.m[first].when
	}
	if got := z.h.deadline(); got != want {
		t.Fatalf("deadline %d, want %d", got, want)
	}
	checkHeap(t, &z.h)
}

// TestTimersAgainstAModel does the same at random to the heap and to the model,
// few ids and few times, so that both repeat.
func TestTimersAgainstAModel(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 0))
		var z modelled
		now := int64(0)
		spread := []int64{1, 50, math.MaxInt64 / 2}[seed%3]
		delay := int64(0)          // of most, for a while
		adds := 4 + random.IntN(8) // of 16: growing, level or shrinking
		for range 3000 {
			switch {
			case random.IntN(16) < adds:
				if random.IntN(30) == 0 {
					delay = random.Int64N(spread)
				}
				when := now + delay
				if random.IntN(4) == 0 && seed%2 == 0 {
					when = now + random.Int64N(spread)
				}
				if random.IntN(20) == 0 {
					when = []int64{math.MinInt64, math.MaxInt64 - 1, -1}[random.IntN(3)]
				}
				z.add(t, when)
			case random.IntN(2) == 0:
				// Live, fired, cancelled, or of a generation that was never there.
				z.cancel(z.some(random.IntN(2*len(z.m) + 2)))
			case random.IntN(50) == 0:
				z.h.giveBack(int64(len(z.names))*int64(time.Second), 0)
			default:
				now += random.Int64N(spread)/4 + 1
				z.popDue(t, now)
			}
			z.check(t)
		}
	}
}

// FuzzTimers lets the input choose: two bytes a step, what to do and with which
// timer, or how far to go in time.
func FuzzTimers(f *testing.F) {
	f.Add([]byte{0, 1, 64, 1, 128, 1, 192, 9})
	f.Add([]byte{1, 1, 1, 1, 65, 1, 2, 1, 200, 2})
	f.Add([]byte{7, 3, 6, 3, 5, 4, 64, 3, 192, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		var z modelled
		now := int64(0)
		for ; len(b) >= 2; b = b[2:] {
			what, n := b[0], b[1]
			switch what >> 6 {
			case 0, 1:
				z.add(t, []int64{0, now, now + 1, now + int64(what), math.MinInt64, math.MaxInt64 - 1, -1, now + 1e9}[what&7])
			case 2:
				z.cancel(z.some(int(n)))
			default:
				now += int64(n) << (what & 31)
				z.popDue(t, now)
			}
			z.check(t)
		}
	})
}

// TestTimersCompact: cancelled timers do not stay until they are due, as those of
// connections with a long time-out would.
func TestTimersCompact(t *testing.T) {
	var h timers
	const far = int64(1) << 60
	first, _ := h.add(1, far-1)
	for n := range 10000 {
		name, _ := h.add(2, far)
		h.cancel(name)
		if len(h.heap.Items) > 2*compactFrom+2 {
			t.Fatalf("after %d cancelled timers the heap holds %d", n, len(h.heap.Items))
		}
	}
	checkHeap(t, &h)
	h.cancel(first)
	if h.deadline() != math.MaxInt64 || len(h.heap.Items) != 0 {
		t.Errorf("without a live timer the heap holds %d", len(h.heap.Items))
	}
}

// TestTimersIDAgain: an id that was cancelled serves again at once, and the old
// entry, which is still in the heap, neither fires nor hides the new one.
func TestTimersIDAgain(t *testing.T) {
	var h timers
	old, _ := h.add(1, 10)
	h.cancel(old)
	name, _ := h.add(2, 20)
	h.cancel(old) // stale
	if name.id() != old.id() || name == old {
		t.Errorf("after %#x comes %#x", old, name)
	}
	if got, user, ok := h.pop(100); !ok || user != 2 || got.when != 20 {
		t.Errorf("pop = %+v of %d, %v, want that of 2", got, user, ok)
	}
	if got, _, ok := h.pop(100); ok {
		t.Errorf("a second pop = %+v", got)
	}
	h.cancel(name)          // has fired
	h.cancel(1<<32 | 1<<31) // never was
	h.cancel(0)             // none's
	h.push(1, 7, 0)         // the engine's
	h.cancel(7)             // which nobody else cancels
	h.push(2, 1<<31-1, 0)   // and which need no place in the table
	checkHeap(t, &h)
	for _, id := range []uint32{7, 1<<31 - 1} {
		if got, _, ok := h.pop(100); !ok || got.id != id || got.generation != 0 {
			t.Errorf("pop = %+v, %v, want the engine's %d", got, ok, id)
		}
	}
	if len(h.names.Items) != 1 {
		t.Errorf("the table has %d entries", len(h.names.Items))
	}
}

func checkNames(t *testing.T, n *timerNames, live int) {
	t.Helper()
	var free, used int
	for id := n.vacant; id != 0; id = n.names.Items[id-1].next {
		if free++; free > len(n.names.Items) || id > n.bound {
			t.Fatalf("id %d is free, of %d below %d", id-1, len(n.names.Items), n.bound)
		}
	}
	below := 0
	for id, e := range n.names.Items {
		if e.next == held {
			used++
		} else if id < int(n.bound) {
			below++
		}
	}
	if used != live || free != below {
		t.Fatalf("%d ids are used by %d timers; %d are free, of %d", used, live, free, below)
	}
}

// TestTimersGiveBack: what a crowd has left is given back once its last timer above a few ids has gone, and its names are none's.
func TestTimersGiveBack(t *testing.T) {
	const crowd = 100000
	var z modelled
	if !z.h.reserve(crowd) {
		t.Fatal("no memory")
	}
	for n := range int64(crowd) {
		z.add(t, n)
	}
	last := z.m[crowd-1].name
	for _, timer := range z.m[100 : crowd-1] {
		z.h.cancel(timer.name)
	}
	z.m = append(z.m[:100:100], z.m[crowd-1])
	room := func() int { return cap(z.h.names.Items) }
	z.h.giveBack(1e9-1, 0)
	if z.h.bound != crowd {
		t.Fatal("it was too early to look")
	}
	z.h.giveBack(1e9, 0)
	if z.check(t); room() < crowd || z.h.bound != 512 {
		t.Fatalf("room for %d, ids below %d, while the last has a timer", room(), z.h.bound)
	}
	for range 100 {
		if z.add(t, 7); z.m[len(z.m)-1].name.id() >= 512 {
			t.Fatalf("a timer has the name %#x", z.m[len(z.m)-1].name)
		}
	}
	z.cancel(last)
	z.h.giveBack(3e9, 0)
	if z.check(t); room() >= crowd || z.h.reserved != 1024 {
		t.Fatalf("room for %d, %d are reserved", room(), z.h.reserved)
	}
	for range 2000 { // names that were never there
		z.add(t, 9)
	}
	z.cancel(last)
	z.check(t)
	z.popDue(t, crowd)
	z.check(t)
}

// TestTimersBoundIsLifted when more timers come than there are low ids.
func TestTimersBoundIsLifted(t *testing.T) {
	var z modelled
	for n := range int64(5000) {
		z.add(t, n)
	}
	for _, timer := range slices.Clone(z.m[:4990]) {
		z.cancel(timer.name)
	}
	z.h.giveBack(1e9, 0)
	if z.h.bound != 256 {
		t.Fatalf("ids below %d", z.h.bound)
	}
	for range 300 {
		z.add(t, 1)
	}
	if z.check(t); z.h.bound != 5000 || len(z.h.names.Items) != 5000 {
		t.Errorf("ids below %d, a table of %d", z.h.bound, len(z.h.names.Items))
	}
}

// TestTimersOfOneDelayAreAQueue, which becomes a heap with the first that is out of order, and is a queue again after the last.
func TestTimersOfOneDelayAreAQueue(t *testing.T) {
	var h timers
	add := func(id uint32, when int64) {
		if _, ok := h.add(uint64(id), when); !ok {
			t.Fatal("no memory")
		}
		checkHeap(t, &h)
	}
	pop := func(want uint32) {
		t.Helper()
		if got, user, ok := h.pop(math.MaxInt64); !ok || user != uint64(want) {
			t.Fatalf("pop = %+v of %d, %v, want %d", got, user, ok, want)
		}
		checkHeap(t, &h)
	}
	for id := range uint32(5000) {
		add(id, int64(id/2))
		if id >= 100 {
			pop(id - 100)
		}
	}
	if h.heaped || cap(h.heap.Items) > 2000 {
		t.Fatalf("a heap: %v, room for %d timers, of which a hundred were there at a time", h.heaped, cap(h.heap.Items))
	}
	add(6000, 0)
	if !h.heaped {
		t.Fatal("still a queue")
	}
	pop(6000)
	for id := range uint32(100) {
		pop(4900 + id)
	}
	if h.heaped {
		t.Fatal("an empty heap is no queue")
	}
}

func BenchmarkTimersAddCancel(b *testing.B) {
	for _, scheduled := range []int{0, 10000} {
		b.Run(map[int]string{0: "none scheduled", 10000: "10000 scheduled"}[scheduled], func(b *testing.B) {
			var h timers
			for n := range int64(scheduled) {
				h.add(1, n*1000)
			}
			n := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				n++
				name, _ := h.add(1, 5_000_000+n%1000)
				h.cancel(name)
			}
		})
	}
}

// TestReservedTimersNeedNoMemory: with room reserved, as C does it, no add makes the heap grow.
func TestReservedTimersNeedNoMemory(t *testing.T) {
	const most = 3000
	random := rand.New(rand.NewPCG(9, 9))
	var h timers
	defer h.free()
	if !h.reserve(most) {
		t.Fatal("no memory")
	}
	room, names := cap(h.heap.Items), cap(h.names.Items)
	taken := map[uint64]timerName{}
	some := func() (user uint64) {
		for user = range taken {
			break
		}
		return user
	}
	for step := range 200_000 {
		grows := step/20_000%2 == 0
		switch {
		case len(taken) < most && (random.IntN(3) > 0) == grows:
			name, _ := h.add(uint64(step+1), int64(random.IntN(1000)))
			taken[uint64(step+1)] = name
		case len(taken) > 0 && random.IntN(4) > 0:
			user := some()
			h.cancel(taken[user])
			delete(taken, user)
		default:
			if _, user, ok := h.pop(math.MaxInt64); ok {
				delete(taken, user)
			}
		}
		if cap(h.heap.Items) != room || cap(h.names.Items) != names {
			t.Fatalf("step %d: room for %d timers instead of %d, with %d of %d cancelled", step, cap(h.heap.Items), room, h.cancelled, len(h.heap.Items))
		}
	}
	for _, name := range taken {
		h.cancel(name)
	}
	h.reserve(0)
	if len(h.heap.Items) != 0 || cap(h.heap.Items) > 3000 || len(h.names.Items) != 0 {
		t.Errorf("%d timers, room for %d, %d ids are left", len(h.heap.Items), cap(h.heap.Items), len(h.names.Items))
	}
}

// TestTimersRoom: a host is told for how many timers there is room, also when a crowd has gone.
func TestTimersRoom(t *testing.T) {
	const crowd = 10000
	r := newRig(t, "", settings{})
	if room := r.TimersRoom(); room != fewestTimers {
		t.Errorf("room for %d timers at first", room)
	}
	r.submit(Submission{Op: OpTimerReserve, Len: crowd})
	for range crowd {
		r.submit(Submission{Op: OpTimerAdd, Len: 1})
	}
	r.turn(0)
	if room := r.TimersRoom(); room != crowd {
		t.Errorf("room for %d timers", room)
	}
	r.until(func() bool { return r.Stats().TimersFired == crowd })
	r.timers.lookedAt = -int64(time.Second)
	r.submit(Submission{Op: OpTimerAdd, Len: 1})
	r.turn(TurnWait)
	if room, entries := r.TimersRoom(), len(r.timers.names.Items); room != fewestTimers || entries > fewestTimers {
		t.Errorf("room for %d timers in a table of %d", room, entries)
	}
}
