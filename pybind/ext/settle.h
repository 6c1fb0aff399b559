/* What becomes of writes that the engine has handled. */
#ifndef GOLOOP_SETTLE_H
#define GOLOOP_SETTLE_H

#include "loop.h"

int settle_writes(LoopObject *loop, gl_sqe *sq, int32_t n);

#endif
