//go:build linux

package mapped

import "testing"

type item struct{ a, b uint64 }

func fill(t *testing.T, s *Slice[item], n int) {
	t.Helper()
	for i := len(s.Items); i < n; i++ {
		if !s.Grow(1) {
			t.Fatalf("no room for item %d", i)
		}
		s.Items = s.Items[:i+1]
		if s.Items[i] != (item{}) {
			t.Fatalf("item %d is not zero: %v", i, s.Items[i])
		}
		s.Items[i] = item{uint64(i), ^uint64(i)}
	}
}

func check(t *testing.T, s *Slice[item], n int) {
	t.Helper()
	if len(s.Items) != n {
		t.Fatalf("%d items, want %d", len(s.Items), n)
	}
	for i, x := range s.Items {
		if x != (item{uint64(i), ^uint64(i)}) {
			t.Fatalf("item %d is %v", i, x)
		}
	}
}

func TestGrow(t *testing.T) {
	var s Slice[item]
	for _, n := range []int{1, 10, small / 16, small/16 + 1, 10_000, 1_000_000} {
		fill(t, &s, n)
		check(t, &s, n)
		if isMapped := s.bytes != nil; isMapped != (n > small/16) {
			t.Errorf("%d items: mapped is %v", n, isMapped)
		}
	}
	s.Free()
	check(t, &s, 0)
	s.Free()
}

func TestReserve(t *testing.T) {
	var s Slice[item]
	if !s.Reserve(100_000) || cap(s.Items) < 100_000 {
		t.Fatalf("the capacity is %d", cap(s.Items))
	}
	fill(t, &s, 50_000)
	if s.Reserve(0); cap(s.Items) > 50_000+unit/16 {
		t.Errorf("the capacity is still %d", cap(s.Items))
	}
	check(t, &s, 50_000)
	clear(s.Items[10:])
	s.Items = s.Items[:10]
	s.Reserve(20)
	check(t, &s, 10)
	if len(s.bytes) != unit {
		t.Errorf("10 items in %d bytes", len(s.bytes))
	}
	fill(t, &s, 60_000)
	check(t, &s, 60_000)
	s.Items = s.Items[:0]
	if s.Reserve(0); s.bytes != nil {
		t.Error("an empty array keeps its mapping")
	}
}

// TestNoMemory asks for more than any process has addresses for.
func TestNoMemory(t *testing.T) {
	const tooMany = 1 << 44 // of 16 bytes
	for _, n := range []int{0, 10, 100_000} {
		var s Slice[item]
		fill(t, &s, n)
		if s.Grow(tooMany) || s.Reserve(tooMany) {
			t.Fatalf("%d items, and there was room for %d", n, tooMany)
		}
		check(t, &s, n)
		fill(t, &s, n+10_000) // it goes on
		check(t, &s, n+10_000)
		s.Free()
	}
}
