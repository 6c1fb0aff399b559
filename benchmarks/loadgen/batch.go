//go:build linux

package main

import (
	"errors"
	"syscall"

	"goloop/internal/batch"
)

// batchMessage is the most that a connection may have outstanding in a batch; more is dear enough to be sent alone.
const batchMessage = 4 << 10

// openBatch is nil where no batch is asked for, the system has none, or it would gain nothing.
func openBatch(opt *options) *batch.Batch {
	if !opt.batch || opt.depth*opt.size > batchMessage || opt.conns < 2 {
		return nil
	}
	return batch.Open()
}

// runBatch is one system call for all requests of b.
func runBatch(b *batch.Batch) error {
	b.Run()
	if b.Refused() {
		return errors.New("the system refuses io_uring: it has none of Linux 5.6")
	}
	for k := range b.Len() {
		if _, errno := b.Result(k); errno == syscall.Errno(batch.ErrNotTried) {
			return errors.New("io_uring: the system is short of memory")
		}
	}
	return nil
}
