// Package control is the control plane of goloop's engine: selectors for any program, and what can be known
// of the running loops from outside of them.
//
// gopy binds its functions (internal/gengopy), and only these; none is called once per turn, callback or byte. They take and
// return numbers and strings, so that nothing of Go's is kept in Python but numbers. None panics. Of one that
// returns a number, -errno is an error.
package control

import (
	"errors"
	"syscall"

	"goloop/selector"
)

// errnoOf is err as a negative errno.
func errnoOf(err error) int64 {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return -int64(errno)
	case errors.Is(err, selector.ErrClosed):
		return -int64(syscall.EBADF)
	case errors.Is(err, selector.ErrRegistered):
		return -int64(syscall.EEXIST)
	case errors.Is(err, selector.ErrNotRegistered), errors.Is(err, selector.ErrReplaced):
		return -int64(syscall.ENOENT)
	}
	return -int64(syscall.EINVAL)
}

// failed makes of a panic the error EFAULT.
func failed(rc *int64) {
	if recover() != nil {
		*rc = -int64(syscall.EFAULT)
	}
}
