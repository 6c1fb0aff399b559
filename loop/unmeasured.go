//go:build nometrics

package loop

const (
	measured = false
	counted  = uint64(0)
)
