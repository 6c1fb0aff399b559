/* Submissions: what is asked of the engine, in an array that a turn hands over. */
#ifndef GOLOOP_RING_H
#define GOLOOP_RING_H

#include "loop.h"

gl_sqe *new_sqe(LoopObject *loop, uint16_t op, int fd, uint32_t gen); /* NULL with an exception. Runs no Python */
int submit_now(LoopObject *loop); /* hands over what there is, without a turn; completions wait for the next */
int submit_one(LoopObject *loop, gl_sqe *sqe); /* at once; returns an errno, or -1 with an exception */
int submit_or_raise(LoopObject *loop, gl_sqe *sqe); /* the same; -1 with the OSError of an errno, too */
void ring_start(LoopObject *loop); /* a new array, empty */

int reserve_queue(LoopObject *loop);
/* Before a WRITE or a SEND: MemoryError is raised while nothing has been taken. */
static inline int queue_has_room(LoopObject *loop) {
    return loop->sq_len < loop->shared.queue_room ? 0 : reserve_queue(loop);
}

#endif
