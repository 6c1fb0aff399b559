//go:build unix

package loop

import (
	"testing"

	"golang.org/x/sys/unix"
)

// raiseLimit allows n descriptors for the time of a test, or skips it.
func raiseLimit(t *testing.T, n int) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	for limit.Cur = 64; int(limit.Cur) < n; limit.Cur *= 2 { // its type differs by system
	}
	if limit.Cur <= old.Cur {
		return
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Skipf("this needs %d descriptors: %v", n, err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
}
