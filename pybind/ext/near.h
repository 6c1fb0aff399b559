/* Turns that need nothing of the engine: loop/near.go. */
#ifndef GOLOOP_NEAR_H
#define GOLOOP_NEAR_H

#include "loop.h"

/* Whether a turn that would wait may do without the engine: nothing to submit, and no batch of which a completion is being dispatched. */
static inline bool near_may(const LoopObject *loop) {
    return loop->shared.near_left > 0 && loop->sq_len == 0 && !loop->running && !loop->aside;
}

/* Makes completions of what near streams bring. 1, or 0 when the engine is to be asked, or -1 with an exception. With *flags. */
int near_turn(LoopObject *loop, int *flags);

#endif
