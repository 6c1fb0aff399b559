//go:build linux

package main

import (
	"fmt"
	"os"
)

// idle opens the connections, sends one message over each and reads it back, so that the server has accepted and used all of them,
// says so on standard output, and holds them until standard input ends.
func idle(opt *options) error {
	sa, err := resolve(opt.addr)
	if err != nil {
		return err
	}
	out, in := pattern(opt.size), make([]byte, opt.size)
	for i := range opt.conns {
		fd, err := dial(sa)
		if err == nil {
			err = writeAll(fd, out)
		}
		if err == nil {
			err = readFull(fd, in)
		}
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	fmt.Printf("{\"mode\":\"idle\",\"connections\":%d}\n", opt.conns)
	os.Stdin.Read(make([]byte, 1))
	return nil
}
