/* A loop's rings and arena, to which Go writes. */
#ifndef GOLOOP_ARENA_H
#define GOLOOP_ARENA_H

#include "loop.h"

int arena_take(LoopObject *loop);
void arena_give(LoopObject *loop);

#endif
