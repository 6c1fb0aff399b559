//go:build faults

package selector

import (
	"testing"

	"goloop/internal/sys"

	"golang.org/x/sys/unix"
)

// TestNoBellForUs: what the system refuses for ever is not asked for again, and what it has no memory for is.
func TestNoBellForUs(t *testing.T) {
	for _, test := range []struct {
		fault sys.Fault
		later bool
	}{
		{sys.Fault{Name: "io_setup", Errno: unix.ENOSYS}, false},
		{sys.Fault{Name: "io_setup", Errno: unix.EAGAIN}, false},
		{sys.Fault{Name: "io_submit", Errno: unix.EINVAL}, false},
		{sys.Fault{Name: "io_submit", Errno: unix.EPERM}, false},
		{sys.Fault{Name: "io_submit", Errno: unix.ENOMEM}, true},
		{sys.Fault{Name: "io_submit", Errno: unix.EAGAIN, Times: 2}, true},
	} {
		aBell(t) // or the test is skipped
		spares.list = nil
		s, err := New("epoll")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		test.fault.Fd = sys.Any
		plan := sys.Arm(test.fault)
		defer sys.Disarm()
		if word, _ := s.Bell(); word != nil || plan.Met() == 0 {
			t.Errorf("%+v: there is a bell", test.fault)
		}
		sys.Disarm()
		if word, _ := s.Bell(); (word != nil) != test.later {
			t.Errorf("%+v: later there is a bell: %v", test.fault, word != nil)
		}
		r, w := pipe(t)
		register(t, s, r, EventRead, 1)
		write(t, w)
		expect(t, s, Event{int32(r), 1, EventRead})
	}
}
