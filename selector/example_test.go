//go:build unix

package selector_test

import (
	"fmt"
	"log"
	"time"

	"goloop/selector"

	"golang.org/x/sys/unix"
)

// A connection that has data to read, and a wait that another goroutine ends.
func Example() {
	s, err := selector.New("") // the best of this system
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	here, there := pair[0], pair[1]
	defer unix.Close(here)
	defer unix.Close(there)

	const generation = 1 // tells this use of the number from a later one
	if err := s.Register(here, selector.EventRead, generation); err != nil {
		log.Fatal(err)
	}
	if _, err := unix.Write(there, []byte("ping")); err != nil {
		log.Fatal(err)
	}

	events := make([]selector.Event, 16)
	n, err := s.Select(events, time.Second)
	if err != nil {
		log.Fatal(err)
	}
	for _, event := range events[:n] {
		buf := make([]byte, 16)
		size, err := unix.Read(int(event.Fd), buf)
		fmt.Printf("read %q, generation %d, error %v\n", buf[:size], event.Generation, err)
	}

	go s.Wake()
	n, err = s.Select(events, -1)
	fmt.Printf("woken with %d events, error %v\n", n, err)
	// Output:
	// read "ping", generation 1, error <nil>
	// woken with 0 events, error <nil>
}
