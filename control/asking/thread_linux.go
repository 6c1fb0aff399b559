package asking

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// signalThread sends a signal to a thread of this process.
func signalThread(native int, signal syscall.Signal) error {
	return unix.Tgkill(unix.Getpid(), native, signal)
}
