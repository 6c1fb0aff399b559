#include "textflag.h"

// Go finds the result in R0, and all that it counts on is left alone.
TEXT readCounter<>(SB), NOSPLIT|NOFRAME, $0-0
	MRS CNTVCT_EL0, R0
	RET

DATA closure<>(SB)/8, $readCounter<>(SB)
GLOBL closure<>(SB), RODATA|NOPTR, $8

DATA ·counter(SB)/8, $closure<>(SB)
GLOBL ·counter(SB), NOPTR, $8
