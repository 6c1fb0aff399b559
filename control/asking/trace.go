package asking

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Snapshot has a copy of the process run the handler of a signal and end; it returns the copy's pid. The engine's C interface sets it.
var Snapshot = func(syscall.Signal) (pid int, err error) { return 0, syscall.ENOSYS }

// Tracer has the Python stacks of all threads written by a signal's handler that needs no GIL: faulthandler's, which Python has registered
// with the writing end of a pipe. The handler reads frames that Python may change meanwhile, for who does not get the GIL cannot know whether
// it will: it runs in a copy of the process, which may come to grief over them. So no thread of the program gets a signal either,
// which could end a system call there with EINTR.
//
// Who asks while stacks are being written gets these: several askers wait as long as one.
type Tracer struct {
	mu     sync.Mutex
	fd     int
	signal syscall.Signal

	asked   sync.Mutex
	running *traced // nil: nothing is being written
}

// traced is what is found, once done is closed.
type traced struct {
	done  chan struct{}
	found map[uint64][]string
}

// Set takes the reading end of the pipe, which is non-blocking, and the signal; a signal of 0 ends it.
func (t *Tracer) Set(fd, signal int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fd, t.signal = fd, syscall.Signal(signal)
}

// gap is how long a writer may pause between two lines.
const gap = 5 * time.Millisecond

// Trace is the stacks of all threads by their threading.get_ident(), innermost frame first, a line each; nobody may change it. It is empty
// when nothing was written in time, and has none of another interpreter's threads.
func (t *Tracer) Trace(within time.Duration) map[uint64][]string {
	t.asked.Lock()
	if now := t.running; now != nil {
		t.asked.Unlock()
		<-now.done
		return now.found
	}
	now := &traced{done: make(chan struct{})}
	t.running = now
	t.asked.Unlock()
	defer func() {
		t.asked.Lock()
		t.running = nil
		t.asked.Unlock()
		close(now.done)
	}()
	now.found = t.write(within)
	return now.found
}

func (t *Tracer) write(within time.Duration) map[uint64][]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signal == 0 {
		return nil
	}
	for t.read(0) != "" { // of a copy that was late
	}
	pid, err := Snapshot(t.signal)
	if err != nil {
		return nil
	}
	defer reap(pid)
	text := t.read(within)
	for more := text; more != ""; text += more {
		more = t.read(gap)
	}
	return framesOf(text)
}

// framesOf takes the frames out of what faulthandler writes.
func framesOf(text string) map[uint64][]string {
	found := map[uint64][]string{}
	thread := uint64(0)
	for line := range strings.Lines(text) {
		if head, ok := strings.CutPrefix(line, "Thread 0x"); ok {
			digits, _, _ := strings.Cut(head, " ")
			thread, _ = strconv.ParseUint(digits, 16, 64)
		} else if strings.HasPrefix(line, "Current thread") {
			thread = 0 // of whoever ran the handler: none of a loop's
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
