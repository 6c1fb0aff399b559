package asking

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tracer has the Python stacks of all threads written by a signal's handler that needs no GIL: faulthandler's, which Python has registered
// with the writing end of a pipe. The signal goes to the thread that answers questions, which waits for one, or for the GIL. A
// loop's thread gets none: it would end a system call there that the loop may be stuck in, with EINTR.
type Tracer struct {
	mu     sync.Mutex
	fd     int
	signal syscall.Signal
	native int
}

// Set takes the reading end of the pipe, which is non-blocking, the signal, and the number that the system has for the thread; a
// signal of 0 ends it.
func (t *Tracer) Set(fd, signal, native int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fd, t.signal, t.native = fd, syscall.Signal(signal), native
}

// gap is how long a writer may pause between two lines.
const gap = 5 * time.Millisecond

// Trace is the stacks of all threads by their threading.get_ident(), innermost frame first, a line each. It is empty when nothing was written
// in time, and has none of another interpreter's threads.
func (t *Tracer) Trace(within time.Duration) map[uint64][]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signal == 0 {
		return nil
	}
	for t.read(0) != "" { // of a signal that came too late
	}
	if err := signalThread(t.native, t.signal); err != nil {
		return nil
	}
	text := t.read(within)
	for more := text; more != ""; text += more {
		more = t.read(gap)
	}
	return framesOf(text)
}

// framesOf takes the frames out of what faulthandler writes. The thread that the signal went to is left out: it is none of a loop's.
func framesOf(text string) map[uint64][]string {
	found := map[uint64][]string{}
	thread := uint64(0)
	for line := range strings.Lines(text) {
		if head, ok := strings.CutPrefix(line, "Thread 0x"); ok {
			digits, _, _ := strings.Cut(head, " ")
			thread, _ = strconv.ParseUint(digits, 16, 64)
		} else if strings.HasPrefix(line, "Current thread") {
			thread = 0
		} else if frame, ok := parseFrame(line); ok && thread != 0 {
			found[thread] = append(found[thread], frame)
		}
	}
	return found
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
