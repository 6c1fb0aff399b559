package selector

import (
	"sync/atomic"
	"testing"
	"time"
)

// aBell opens a selector with a bell, or skips where the system has none.
func aBell(t *testing.T) *epoll {
	t.Helper()
	s, err := New("epoll")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if word, _ := s.Bell(); word == nil {
		t.Skip("this system has no AIO, or none that polls")
	}
	return s.(*epoll)
}

// listen asks for the bell and returns what tells whether it has rung.
func listen(t *testing.T, s Selector) func() bool {
	t.Helper()
	word, silent := s.Bell()
	if word == nil {
		t.Fatal("there is no bell, which there was before")
	}
	return func() bool { return atomic.LoadUint32(word) != silent }
}

func TestBellRings(t *testing.T) {
	for name, come := range map[string]func(t *testing.T, s Selector, watched, w int){
		"data":                  func(t *testing.T, _ Selector, _, w int) { write(t, w) },
		"an end":                func(t *testing.T, _ Selector, _, w int) { closeFd(t, w) },
		"Wake":                  func(_ *testing.T, s Selector, _, _ int) { _ = s.Wake() },
		"one registered ready":  func(t *testing.T, s Selector, _, w int) { register(t, s, w, EventWrite, 2) },
		"one modified to ready": func(_ *testing.T, s Selector, watched, _ int) { _ = s.Modify(watched, EventWrite, 1) },
		"one that was there before it was asked for": func(t *testing.T, s Selector, _, w int) {
			write(t, w)
			listen(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := aBell(t)
			watched, peer := socketPair(t)
			register(t, s, watched, EventRead, 1)
			for range 200 { // more than the ring of completions has room for
				rung := listen(t, s)
				if rung() {
					t.Fatal("it has rung for nothing")
				}
				if again := listen(t, s); again() {
					t.Fatal("it has rung because it was asked for twice")
				}
				write(t, peer)
				if !rung() {
					t.Fatal("it has not rung")
				}
				expect(t, s, Event{int32(watched), 1, EventRead})
				empty(t, watched)
			}
			rung := listen(t, s)
			come(t, s, watched, peer)
			if !rung() {
				t.Fatal("it has not rung in the end")
			}
		})
	}
}

// TestBellOfARebuiltSelector: after another epoll has taken the number there is none until the request about the one before
// has ended, and then the new one's.
func TestBellOfARebuiltSelector(t *testing.T) {
	s := aBell(t)
	r, w := pipe(t)
	duplicate(t, r, 0)
	one, oneW := pipe(t)
	register(t, s, r, EventRead, 1)
	register(t, s, one, EventRead, 2)
	closeFd(t, r)
	if err := s.Unregister(r); err != nil {
		t.Fatal(err)
	}
	listen(t, s)
	write(t, w)
	expect(t, s)
	word, silent := s.Bell()
	for deadline := time.Now().Add(patience); word == nil; word, silent = s.Bell() {
		if time.Now().After(deadline) {
			t.Fatal("the request about the epoll before has not ended")
		}
	}
	if atomic.LoadUint32(word) != silent {
		t.Fatal("it has rung for the epoll before")
	}
	write(t, oneW)
	if atomic.LoadUint32(word) == silent {
		t.Fatal("it has not rung")
	}
}

// TestBellsAreKept: a selector takes the context of one that was closed, and hears nothing of what the other watched.
func TestBellsAreKept(t *testing.T) {
	r, w := pipe(t)
	spare := 0
	for i := range 20 {
		s := aBell(t)
		register(t, s, r, EventRead, 1)
		rung := listen(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if word, _ := s.Bell(); word != nil {
			t.Fatal("a closed selector has a bell")
		}
		for deadline := time.Now().Add(patience); !rung(); {
			if time.Now().After(deadline) {
				t.Fatal("the request of a closed selector has not ended")
			}
		}
		if i == 0 {
			spare = len(spares.list)
		} else if now := len(spares.list); now != spare {
			t.Fatalf("%d contexts are spare, which were %d", now, spare)
		}
	}
	s := aBell(t)
	rung := listen(t, s)
	write(t, w)
	if rung() {
		t.Fatal("it has rung for a descriptor of another selector")
	}
}

// TestNoBell: other backends have none.
func TestNoBell(t *testing.T) {
	for _, name := range Backends() {
		s, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if word, _ := s.Bell(); word != nil && name != "epoll" {
			t.Errorf("%s has a bell", name)
		}
	}
}
