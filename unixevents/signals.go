// Package unixevents is what an event loop has on Unix beyond descriptors and
// timers: signals and child processes.
//
// It knows package loop and nothing of Python or C. Like an Engine, its types
// belong to the thread that runs the loop.
package unixevents

import (
	"os"
	"syscall"

	"goloop/internal/sys"
	"goloop/loop"
)

// Signals turns the bytes that a signal handler writes into completions: the
// number of each signal as one byte, the form of CPython's
// signal.set_wakeup_fd. Nothing here touches a signal's disposition, and
// os/signal is not used: with it a process that hosts this library lost Ctrl-C.
type Signals struct {
	read, write int
	onSigchld   func() // of the watcher that needs it, or nil
}

// sourceGeneration marks descriptors of this package in the engine: the host counts
// its own from 1.
const sourceGeneration = 1 << 31

// signalBuffer is how many signals one turn takes; more stay in the pipe.
const signalBuffer = 128

// OpenSignals makes the pipe and lets e watch it.
func OpenSignals(e *loop.Engine) (*Signals, error) {
	var p [2]int
	if err := pipe(&p); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	s := &Signals{read: p[0], write: p[1]}
	if err := e.AddSource(s.read, sourceGeneration, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// WakeupFd is the descriptor to give to signal.set_wakeup_fd: non-blocking, and
// open until Close.
func (s *Signals) WakeupFd() int { return s.write }

// Ready implements loop.Source.
func (s *Signals) Ready(e *loop.Engine) {
	var buf [signalBuffer]byte
	n, err := sys.Read(s.read, buf[:])
	if err != nil {
		return // EAGAIN, EINTR: the selector asks again
	}
	sigchld := false
	for _, number := range buf[:n] {
		if number != 0 { // 0 is a bare wake-up
			e.Complete(loop.Completion{Kind: loop.Signal, Res: int32(number)})
		}
		sigchld = sigchld || number == byte(syscall.SIGCHLD)
	}
	// A full pipe may have lost one.
	if s.onSigchld != nil && (sigchld || n == len(buf)) {
		s.onSigchld()
	}
}

// Close closes both ends. The engine must be closed, or the pipe detached, first.
func (s *Signals) Close() {
	sys.Close(s.read)
	sys.Close(s.write)
}
