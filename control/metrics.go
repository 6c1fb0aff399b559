package control

import (
	"encoding/json"
	"strings"

	"goloop/control/loops"
)

// Metrics is a snapshot of one loop as JSON; empty when it is closed.
func Metrics(loop int64) (text string) {
	defer func() {
		if recover() != nil {
			text = ""
		}
	}()
	if l := loops.Find(loop); l != nil {
		if s, ok := loops.Take(l); ok {
			return encode(s)
		}
	}
	return ""
}

// Loops is a list of snapshots of all loops as JSON, the oldest first.
func Loops() (text string) {
	defer func() {
		if recover() != nil {
			text = "[]"
		}
	}()
	return encode(loops.TakeAll())
}

func encode(v any) string {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}
