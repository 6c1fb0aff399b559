//go:build unix

package unixevents_test

import (
	"fmt"
	"log"
	"syscall"

	"goloop/loop"
	"goloop/unixevents"
)

// The host's signal handler writes a byte, the loop calls the callback.
func Example() {
	l, err := unixevents.NewUnixSelectorEventLoop(loop.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	if err := l.AddSignalHandler(syscall.SIGTERM, func() {
		fmt.Println("asked to go")
		l.Stop()
	}); err != nil {
		log.Fatal(err)
	}
	// In C: void handler(int n) { char c = n; write(wakeup_fd, &c, 1); }
	if _, err := syscall.Write(l.WakeupFd(), []byte{byte(syscall.SIGTERM)}); err != nil {
		log.Fatal(err)
	}
	if err := l.RunForever(); err != nil {
		log.Fatal(err)
	}
	// Output: asked to go
}
