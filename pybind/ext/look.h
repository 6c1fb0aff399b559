/* Whether the selector has something, without a turn of the engine. */
#ifndef GOLOOP_LOOK_H
#define GOLOOP_LOOK_H

#include "loop.h"

bool look_slow(LoopObject *loop);

/* Whether the engine has something to find. */
static inline bool look(LoopObject *loop) {
    if (loop->bell && atomic_load_explicit(loop->bell, memory_order_acquire) == loop->bell_silent && loop->shared.poll_fd >= 0) return false;
    return look_slow(loop);
}

/* Before a turn that asks the selector. */
static inline void look_anew(LoopObject *loop, int flags) {
    loop->bell = NULL;
    if (flags == GL_TURN_WAIT) loop->found_nothing = 0;
}

#endif
