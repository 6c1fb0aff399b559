//go:build !nometrics

package loop

// measured: an engine counts what it does. benchmarks/observed.py compares with one that does not.
// counted is what one of what is counted adds: so written, and not as a call, it costs one instruction.
const (
	measured = true
	counted  = uint64(1)
)
