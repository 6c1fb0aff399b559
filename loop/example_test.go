//go:build unix

package loop_test

import (
	"fmt"
	"log"
	"time"

	"goloop/loop"

	"golang.org/x/sys/unix"
)

// A loop with timers, and a goroutine that hands it work.
func Example() {
	l, err := loop.NewSelectorEventLoop(loop.Options{}) // the best selector of this system
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()

	l.CallLater(2*time.Millisecond, func() {
		fmt.Println("later")
		go func() {
			if _, err := l.CallSoonThreadsafe(func() {
				fmt.Println("from another goroutine")
				l.Stop()
			}); err != nil {
				log.Fatal(err)
			}
		}()
	})
	never := l.CallLater(time.Hour, func() { fmt.Println("never") })
	l.CallSoon(func() {
		fmt.Println("soon")
		never.Cancel()
	})
	if err := l.RunForever(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// soon
	// later
	// from another goroutine
}

// A callback whenever there is something to read.
func ExampleSelectorEventLoop_AddReader() {
	l, err := loop.NewSelectorEventLoop(loop.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	here, there := pair[0], pair[1]
	defer unix.Close(here)
	defer unix.Close(there)

	if err := l.AddReader(here, func() {
		buf := make([]byte, 16)
		n, err := unix.Read(here, buf)
		fmt.Printf("read %q, error %v\n", buf[:n], err)
		l.RemoveReader(here)
		l.Stop()
	}); err != nil {
		log.Fatal(err)
	}
	l.CallSoon(func() {
		if _, err := unix.Write(there, []byte("ping")); err != nil {
			log.Fatal(err)
		}
	})
	if err := l.RunForever(); err != nil {
		log.Fatal(err)
	}
	// Output: read "ping", error <nil>
}

// A panic goes through RunForever, and the loop goes on where it stopped.
func ExampleSelectorEventLoop_RunForever() {
	l, err := loop.NewSelectorEventLoop(loop.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	l.CallSoon(func() { panic("interrupted") })
	l.CallSoon(func() { fmt.Println("still scheduled"); l.Stop() })

	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		_ = l.RunForever()
	}()
	if err := l.RunForever(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// recovered: interrupted
	// still scheduled
}
