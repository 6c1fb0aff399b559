//go:build !nometrics

package loop

// measured: an engine counts what it does. benchmarks/observed.py compares with one that does not.
const measured = true
