//go:build unix

package loop

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// twice is a selector that reports each descriptor a second time.
type twice struct{ selector.Selector }

func (s twice) Select(events []selector.Event, timeout time.Duration) (int, error) {
	n, err := s.Selector.Select(events[:len(events)/2], timeout)
	copy(events[n:], slices.Clone(events[:n]))
	return 2 * n, err
}

func TestDescriptorThatIsReportedTwiceLosesNothing(t *testing.T) {
	onEachCrowd(t, settings{}, 20, func(t *testing.T, c *crowd) {
		c.sel = twice{c.sel}
		for round := range 5 {
			for i, fd := range c.peers {
				put(t, fd, bytes.Repeat([]byte{byte(i)}, 1+round))
			}
			for i, p := range c.streams {
				if got := c.awaitData(p, 1+round); !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, 1+round)) {
					t.Fatalf("round %d: stream %d got %v", round, i, got)
				}
			}
		}
	})
}

// The file that a stream's number had is ready for ever and kept open by a duplicate: it must
// not hide the one that dup2 has put there.
func TestStreamWhoseNumberIsGivenToAnotherFile(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, r *rig) {
		a, b := socketPair(t)
		p := r.attach(a, 1)
		put(t, b, []byte("first"))
		r.awaitData(p, len("first"))
		kept, err := unix.Dup(a)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(kept)
		c, d := socketPair(t)
		if err := unix.Dup2(c, a); err != nil {
			t.Fatal(err)
		}
		put(t, b, []byte("old"))
		for range 20 {
			r.turn(TurnPoll)
		}
		put(t, d, []byte("new"))
		if got := r.awaitData(p, len("new")); string(got) != "new" {
			t.Fatalf("got %q", got)
		}
		r.turn(TurnPoll)
		r.quiet()
		if n := r.Stats().Events; n > 40 {
			t.Errorf("%d events: the file before is still watched", n)
		}
	})
}
