package asking

import (
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tracer has a thread write its own Python stack, from a signal's handler that needs no GIL: faulthandler's, which
// Python has registered with the writing end of a pipe.
type Tracer struct {
	mu     sync.Mutex
	fd     int
	signal syscall.Signal
}

// Set takes the reading end of the pipe, which is non-blocking, and the signal; a signal of 0 ends it.
func (t *Tracer) Set(fd int, signal int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fd, t.signal = fd, syscall.Signal(signal)
}

// gap is how long a writer may pause between two lines.
const gap = 5 * time.Millisecond

// Trace is the stack of a thread, innermost frame first, a line each. It is empty when the thread wrote nothing in time: it
// is in a system call that no signal ends.
func (t *Tracer) Trace(native int32, within time.Duration) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signal == 0 || native <= 0 {
		return nil
	}
	t.read(0)
	if err := signalThread(int(native), t.signal); err != nil {
		return nil
	}
	text := t.read(within)
	for more := text; more != ""; text += more {
		more = t.read(gap)
	}
	var frames []string
	for line := range strings.Lines(text) {
		if frame, ok := parseFrame(line); ok {
			frames = append(frames, frame)
		}
	}
	return frames
}

// read returns what comes within that time.
func (t *Tracer) read(within time.Duration) string {
	fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
	until := time.Now().Add(within)
	for {
		n, err := unix.Poll(fds, int(max(0, time.Until(until)/time.Millisecond)))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return ""
		}
		buf := make([]byte, 1<<16)
		got, err := unix.Read(t.fd, buf)
		if err != nil || got <= 0 {
			return ""
		}
		return string(buf[:got])
	}
}

// parseFrame makes `  File "a.py", line 3 in f` into `a.py:3 f`.
func parseFrame(line string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), `File "`)
	if !ok {
		return "", false
	}
	file, rest, ok := strings.Cut(rest, `", line `)
	if !ok {
		return "", false
	}
	number, function, ok := strings.Cut(rest, " in ")
	return file + ":" + number + " " + function, ok
}
