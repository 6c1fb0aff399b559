package watchdog

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Stall is one callback, engine call or wait for the GIL that has held a loop for long.
type Stall struct {
	Event      string   `json:"event"` // "stalled", while it lasts, and "ended"
	Time       string   `json:"time"`  // of the report, RFC 3339
	PID        int      `json:"pid"`
	Loop       int64    `json:"loop"`
	NativeID   int32    `json:"native_id"`
	Thread     string   `json:"thread"`  // its name, where Python has told it
	Seconds    float64  `json:"seconds"` // so far, or in all; at most one look of the watchdog too short
	State      string   `json:"state"`
	Scheduler  string   `json:"scheduler"` // the thread's state in /proc: R runs, S sleeps, D waits for a device
	Task       string   `json:"task"`
	Where      string   `json:"where"` // the innermost frame
	Stack      []string `json:"stack"` // innermost first
	Suppressed int      `json:"suppressed"`

	since time.Time
}

// States of a stalled loop's thread.
const (
	StatePython = "python" // in Python code, or in a call that has let go of the GIL
	StateNative = "native" // in a C call that holds the GIL, or the GIL is another thread's
	StateGIL    = "gil"    // the engine has done its turn, and the thread waits for the GIL
	StateEngine = "engine" // in the engine
)

var says = map[string]string{
	StatePython: "in Python, or in a call that has let go of the GIL",
	StateNative: "in a call that keeps the GIL",
	StateGIL:    "waiting for the GIL",
	StateEngine: "in the engine",
}

// Line is the report: a sentence, and the same as JSON.
func (s *Stall) Line() string {
	where := s.Where
	if where == "" {
		where = "no Python frame"
	}
	verb := "has been held for"
	if s.Event == "ended" {
		verb = "went on after"
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	line := fmt.Sprintf("goloop: loop %d %s %.2f s by %s, %s", s.Loop, verb, s.Seconds, where, says[s.State])
	if s.Task != "" {
		line += ", in task " + s.Task
	}
	return strings.ReplaceAll(line, "\n", " ") + " " + strings.TrimSpace(text.String())
}
