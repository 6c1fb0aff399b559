package control

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestChangesDoNotWaitForWaits: one thread waits over and over, another changes what is waited for.
func TestChangesDoNotWaitForWaits(t *testing.T) {
	for backend := range strings.FieldsSeq(SelectorBackends()) {
		handle := SelectorOpen(backend)
		r, w, err := os.Pipe()
		if err != nil || handle < 0 {
			t.Fatal(err, handle)
		}
		over := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-over:
					return
				default:
					SelectorSelect(handle, 60)
				}
			}
		}()
		start := time.Now()
		for range 200 {
			if rc := SelectorRegister(handle, int64(r.Fd()), 1); rc < 0 {
				t.Fatalf("%s: register: %d", backend, rc)
			}
			if rc := SelectorUnregister(handle, int64(r.Fd())); rc < 0 {
				t.Fatalf("%s: unregister: %d", backend, rc)
			}
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: 400 changes took %v beside a thread that waits", backend, took)
		}
		close(over)
		_ = selectorOf(handle).Wake()
		<-done
		if rc := SelectorClose(handle); rc < 0 || SelectorFd(handle) >= 0 {
			t.Errorf("%s: close: %d", backend, rc)
		}
		r.Close()
		w.Close()
	}
}

func TestErrorsAreNumbers(t *testing.T) {
	if SelectorOpen("no such") >= 0 || SelectorRegister(-1, 0, 1) >= 0 || SelectorSelect(-1, 0)[0] != '!' || SelectorClose(-1) != 0 {
		t.Error("a selector that is none was taken for one")
	}
	handle := SelectorOpen("")
	defer SelectorClose(handle)
	if SelectorRegister(handle, -1, 1) >= 0 || SelectorRegister(handle, 0, 8) >= 0 || SelectorUnregister(handle, 5) >= 0 {
		t.Error("what cannot be was done")
	}
}
