//go:build linux

package mapped

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

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

// TestNoMemory grows an array in a process of its own until the system refuses.
func TestNoMemory(t *testing.T) {
	if os.Getenv("MAPPED_LIMIT") == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestNoMemory$", "-test.v")
		c.Env = append(os.Environ(), "MAPPED_LIMIT=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var s Slice[item]
	fill(t, &s, 1_000_000)
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: 1, Max: unix.RLIM_INFINITY}); err != nil {
		t.Skip(err)
	}
	n := cap(s.Items)
	for i := len(s.Items); i < n; i++ {
		s.Items = append(s.Items, item{uint64(i), ^uint64(i)})
	}
	for range 100 {
		if s.Grow(1) {
			t.Fatal("there was room")
		}
	}
	check(t, &s, n)
	s.Items = s.Items[:0]
	s.Reserve(0)
	if s.Reserve(100_000) {
		t.Error("a reservation was made")
	}
}
