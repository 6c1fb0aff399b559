/* What becomes of one completion. */
#ifndef GOLOOP_DISPATCH_H
#define GOLOOP_DISPATCH_H

#include "loop.h"

int dispatch(LoopObject *loop, gl_cqe *c); /* -1: leave the loop with the exception set */

#endif
