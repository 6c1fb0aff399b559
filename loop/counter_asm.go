//go:build amd64 || arm64

package loop

const hasCounter = true

// counter is the processor's. It waits for no instruction before it, which a system call does anyway.
func counter() int64
