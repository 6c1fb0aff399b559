//go:build amd64 || arm64

package loop

const hasCounter = true

// counter is the processor's. It waits for no instruction before it, which a system call does anyway. By this pointer, Go calls code that
// leaves the registers alone, where for a function of assembly it takes all for lost: a tick is 9 instructions, not 15.
var counter func() int64
