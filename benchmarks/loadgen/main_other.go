//go:build !linux

// Command loadgen needs epoll: it runs on Linux only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "loadgen: Linux only")
	os.Exit(1)
}
