package control

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"goloop/control/asking"
	"goloop/control/watchdog"
)

var (
	desk   asking.Desk
	tracer asking.Tracer
	dog    = watchdog.New(&desk, &tracer)
)

// DeskOpen lets questions be put, for a thread that takes them.
func DeskOpen() (rc int64) {
	defer failed(&rc)
	desk.Open()
	return 0
}

// DeskTake waits for questions and returns them, a line each: a number, a blank and "stack THREAD INTERPRETER", "tasks LOOP" or
// "report TEXT", of which the last takes no answer. Empty: after DeskClose.
func DeskTake() string { return desk.Take() }

// DeskAnswer answers questions, a line each: the number, a blank and JSON. What nobody waits for any more is of no use.
func DeskAnswer(lines string) (rc int64) {
	defer failed(&rc)
	for line := range strings.Lines(lines) {
		number, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if id, err := strconv.ParseInt(number, 10, 64); err == nil {
			desk.Answer(id, text)
		}
	}
	return 0
}

// DeskClose ends the wait in DeskTake. What the watchdog has to say is put there before.
func DeskClose() (rc int64) {
	defer failed(&rc)
	dog.Settle()
	desk.Close()
	return 0
}

// TraceBy tells of a signal whose handler writes the stacks of all threads into a pipe, whose non-blocking reading end is fd; a signal
// of 0 ends that.
func TraceBy(fd, signal int64) (rc int64) {
	defer failed(&rc)
	tracer.Set(int(fd), int(signal))
	return 0
}

// Watch tells of callbacks that hold a loop for more than so many seconds. Of each "report TEXT" is put on the desk, but for those that
// cannot be told there at once, for the GIL is held. sink is a path, to which lines of all are appended, or "python": then
// what is not put on the desk goes to standard error. Errors: EINVAL for a threshold that is not above zero, or the
// system's for the path.
func Watch(threshold float64, sink string) (rc int64) {
	defer failed(&rc)
	if !(threshold > 0) || threshold > 1e9 {
		return -int64(syscall.EINVAL)
	}
	file := os.Stderr
	if sink != "python" {
		var err error
		if file, err = os.OpenFile(sink, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return errnoOf(err)
		}
	}
	dog.Watch(time.Duration(threshold*float64(time.Second)), func(s *watchdog.Stall) {
		line := s.Line()
		put := desk.IsOpen() && (s.Event == "ended" || s.State == watchdog.StatePython)
		if sink != "python" || !put {
			_, _ = file.WriteString(line + "\n")
		}
		if put {
			desk.Put("report " + strings.ReplaceAll(line, "\n", " "))
		}
	})
	keepLog(file)
	return 0
}

var log struct {
	sync.Mutex
	file *os.File // of the last Watch; nil, or os.Stderr
}

// keepLog closes the file of the Watch before; a report that is just being written there may be lost.
func keepLog(file *os.File) {
	log.Lock()
	defer log.Unlock()
	if log.file != nil && log.file != os.Stderr {
		log.file.Close()
	}
	log.file = file
}

// Unwatch ends Watch.
func Unwatch() (rc int64) {
	defer failed(&rc)
	dog.Settle()
	dog.Stop()
	keepLog(nil)
	return 0
}

// Stalls is a list of the last hundred stalls as JSON, those that last first, then the newest.
func Stalls() (text string) {
	defer func() {
		if recover() != nil {
			text = "[]"
		}
	}()
	return encode(dog.Stalls())
}
