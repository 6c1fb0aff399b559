package loop

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// model is what timers promises, in its plainest form: a list of what is
// scheduled, in the order of scheduling.
type model []timer

func (m model) index(id, generation uint32) int {
	return slices.IndexFunc(m, func(t timer) bool { return t.id == id && t.generation == generation })
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
	h           timers
	m           model
	generations map[uint32]uint32
}

func (z *modelled) add(id uint32, when int64) {
	// With a live timer of that id: the new one takes its place.
	if i := z.m.index(id, z.generations[id]); i >= 0 {
		z.m = slices.Delete(z.m, i, i+1)
	}
	z.generations[id]++
	z.h.add(id, z.generations[id], when)
	z.m = append(z.m, timer{when: when, id: id, generation: z.generations[id]})
}

func (z *modelled) cancel(id, generation uint32) {
	z.h.cancel(id, generation)
	if i := z.m.index(id, generation); i >= 0 {
		z.m = slices.Delete(z.m, i, i+1)
	}
}

// popDue takes all that is due.
func (z *modelled) popDue(t *testing.T, now int64) {
	t.Helper()
	for {
		got, ok := z.h.pop(now)
		first := z.m.first()
		if ok != (first >= 0 && z.m[first].when <= now) {
			t.Fatalf("pop(%d) = %+v, %v with %d in the model", now, got, ok, len(z.m))
		}
		if !ok {
			return
		}
		want := z.m[first]
		if got.id != want.id || got.generation != want.generation || got.when != want.when {
			t.Fatalf("pop gave %+v, want %+v", got, want)
		}
		z.m = slices.Delete(z.m, first, first+1)
	}
}

func (z *modelled) check(t *testing.T) {
	t.Helper()
	checkHeap(t, &z.h)
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
		z := modelled{generations: map[uint32]uint32{}}
		now := int64(0)
		spread := []int64{1, 50, math.MaxInt64 / 2}[seed%3]
		delay := int64(0)          // of most, for a while
		adds := 4 + random.IntN(8) // of 16: growing, level or shrinking
		for range 3000 {
			id := uint32(random.IntN(200))
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
				z.add(id, when)
			case random.IntN(2) == 0:
				// Live, fired, cancelled, or of a generation that was never there.
				z.cancel(id, z.generations[id]-uint32(random.IntN(2)))
			default:
				now += random.Int64N(spread)/4 + 1
				z.popDue(t, now)
			}
			z.check(t)
		}
	}
}

// FuzzTimers lets the input choose: two bytes a step, what to do and with which
// id, or how far to go in time.
func FuzzTimers(f *testing.F) {
	f.Add([]byte{0, 1, 64, 1, 128, 1, 192, 9})
	f.Add([]byte{1, 1, 1, 1, 65, 1, 2, 1, 200, 2})
	f.Add([]byte{7, 3, 6, 3, 5, 4, 64, 3, 192, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		z := modelled{generations: map[uint32]uint32{}}
		now := int64(0)
		for ; len(b) >= 2; b = b[2:] {
			what, id := b[0], uint32(b[1])
			switch what >> 6 {
			case 0, 1:
				z.add(id, []int64{0, now, now + 1, now + int64(what), math.MinInt64, math.MaxInt64 - 1, -1, now + 1e9}[what&7])
			case 2:
				z.cancel(id, z.generations[id]-uint32(what&1))
			default:
				now += int64(id) << (what & 31)
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
	h.add(0, 1, far-1)
	for id := uint32(1); id < 10000; id++ {
		h.add(id%500+1, id, far)
		h.cancel(id%500+1, id)
		if len(h.heap.Items) > 2*compactFrom+2 {
			t.Fatalf("after %d cancelled timers the heap holds %d", id, len(h.heap.Items))
		}
	}
	checkHeap(t, &h)
	h.cancel(0, 1)
	if h.deadline() != math.MaxInt64 || len(h.heap.Items) != 0 {
		t.Errorf("without a live timer the heap holds %d", len(h.heap.Items))
	}
}

// TestTimersIDAgain: an id that was cancelled serves again at once, and the old
// entry, which is still in the heap, neither fires nor hides the new one.
func TestTimersIDAgain(t *testing.T) {
	var h timers
	h.add(3, 1, 10)
	h.cancel(3, 1)
	h.add(3, 2, 5)
	h.add(3, 3, 20) // without a cancel
	h.cancel(3, 2)  // stale
	if got, ok := h.pop(100); !ok || got.generation != 3 || got.when != 20 {
		t.Errorf("pop = %+v, %v, want generation 3", got, ok)
	}
	if got, ok := h.pop(100); ok {
		t.Errorf("a second pop = %+v", got)
	}
	h.cancel(3, 3)       // has fired
	h.cancel(1<<31, 1)   // never was
	h.cancel(3, 0)       // no generation
	h.add(7, 0, 1)       // the engine's own
	h.cancel(7, 0)       // which nobody else cancels
	h.add(1<<31-1, 0, 2) // and which need no place in the table
	checkHeap(t, &h)
	for _, id := range []uint32{7, 1<<31 - 1} {
		if got, ok := h.pop(100); !ok || got.id != id || got.generation != 0 {
			t.Errorf("pop = %+v, %v, want the engine's %d", got, ok, id)
		}
	}
	if len(h.live.Items) != 4 {
		t.Errorf("the table has %d entries", len(h.live.Items))
	}
}

// TestTimersOfOneDelayAreAQueue, which becomes a heap with the first that is out of order, and is a queue again after the last.
func TestTimersOfOneDelayAreAQueue(t *testing.T) {
	var h timers
	add := func(id uint32, when int64) {
		if !h.add(id, 1, when) {
			t.Fatal("no memory")
		}
		checkHeap(t, &h)
	}
	pop := func(want uint32) {
		t.Helper()
		if got, ok := h.pop(math.MaxInt64); !ok || got.id != want {
			t.Fatalf("pop = %+v, %v, want %d", got, ok, want)
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
			for id := range uint32(scheduled) {
				h.add(id, 1, int64(id)*1000)
			}
			id := uint32(scheduled)
			generation := uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				generation++
				h.add(id, generation, 5_000_000+int64(generation)%1000)
				h.cancel(id, generation)
			}
		})
	}
}

// TestReservedTimersNeedNoMemory: with the ids reserved, as C does it, no add makes the heap grow.
func TestReservedTimersNeedNoMemory(t *testing.T) {
	const ids = 3000
	random := rand.New(rand.NewPCG(9, 9))
	var h timers
	defer h.free()
	if !h.reserve(ids) {
		t.Fatal("no memory")
	}
	room := cap(h.heap.Items)
	var free, taken []uint32
	for id := range uint32(ids) {
		free = append(free, id)
	}
	for step := range 200_000 {
		grows := step/20_000%2 == 0
		switch {
		case len(free) > 0 && (random.IntN(3) > 0) == grows:
			id := free[len(free)-1]
			free = free[:len(free)-1]
			h.add(id, uint32(step+1), int64(random.IntN(1000)))
			taken = append(taken, id)
		case len(taken) > 0 && random.IntN(4) > 0:
			i := random.IntN(len(taken))
			id := taken[i]
			taken[i] = taken[len(taken)-1]
			taken = taken[:len(taken)-1]
			h.cancel(id, h.live.Items[id])
			free = append(free, id)
		default:
			if due, ok := h.pop(math.MaxInt64); ok {
				taken = slices.DeleteFunc(taken, func(id uint32) bool { return id == due.id })
				free = append(free, due.id)
			}
		}
		if cap(h.heap.Items) != room {
			t.Fatalf("step %d: room for %d timers instead of %d, with %d of %d cancelled", step, cap(h.heap.Items), room, h.cancelled, len(h.heap.Items))
		}
	}
	for _, id := range taken {
		h.cancel(id, h.live.Items[id])
	}
	h.reserve(0)
	if len(h.heap.Items) != 0 || cap(h.heap.Items) > 3000 || len(h.live.Items) != 0 {
		t.Errorf("%d timers, room for %d, %d ids are left", len(h.heap.Items), cap(h.heap.Items), len(h.live.Items))
	}
}
