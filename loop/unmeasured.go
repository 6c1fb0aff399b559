//go:build nometrics

package loop

const measured = false
