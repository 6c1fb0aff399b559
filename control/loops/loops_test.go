package loops

import (
	"testing"
	"time"

	"goloop/loop"
)

// fake is a loop whose times a test sets.
type fake struct{ running, engine time.Duration }

func (f *fake) ID() int64            { return -1 }
func (f *fake) Selector() string     { return "" }
func (f *fake) Pulse() (Pulse, bool) { return Pulse{Running: f.running}, true }
func (f *fake) Observe(bool) (o loop.Observation, ok bool) {
	o.Meters.Engine = f.engine
	return o, true
}

func TestTimeInPythonNeverFalls(t *testing.T) {
	f := &fake{running: 10 * time.Second, engine: time.Second}
	Opened(f)
	defer Closed(f)
	for _, at := range []struct {
		engine time.Duration
		want   float64
	}{{1, 9}, {3, 9}, {0, 10}} {
		f.engine = at.engine * time.Second
		if s, _ := Take(f); s.PythonSeconds != at.want {
			t.Errorf("%v s in the engine: %v s in Python, not %v", int(at.engine), s.PythonSeconds, at.want)
		}
	}
	if Find(-1) != Loop(f) {
		t.Error("it is not found")
	}
	Closed(f)
	if s, _ := Take(f); s.PythonSeconds != 10 || Find(-1) != nil {
		t.Errorf("closed, %v", s.PythonSeconds)
	}
}
