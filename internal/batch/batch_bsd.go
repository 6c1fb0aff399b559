//go:build unix && !linux

package batch

import "syscall"

// Batch has no like here: there is none.
type Batch struct{}

// Open returns nil.
func Open() *Batch { return nil }

// The methods, which nobody can call.

func (*Batch) Close()                          {}
func (*Batch) Fd() int                         { return -1 }
func (*Batch) Len() int                        { return 0 }
func (*Batch) Gather(uint64, int64) bool       { return false }
func (*Batch) Ungather()                       {}
func (*Batch) Send(int32) bool                 { return false }
func (*Batch) Receive(int32, uint64, int)      {}
func (*Batch) Run()                            {}
func (*Batch) Result(int) (int, syscall.Errno) { return 0, ErrNotTried }
func (*Batch) Refused() bool                   { return false }
func (*Batch) Reset()                          {}
