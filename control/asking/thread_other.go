//go:build !linux

package asking

import "syscall"

// signalThread is refused: the system names threads by what Python does not tell.
func signalThread(int, syscall.Signal) error { return syscall.ENOTSUP }
