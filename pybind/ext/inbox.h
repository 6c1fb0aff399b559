/* What other threads have for the loop: the end of its wait and, where no GIL lets them write to the ready queue, their
 * callbacks. */
#ifndef GOLOOP_INBOX_H
#define GOLOOP_INBOX_H

#include "handle.h"

/* Of any thread, without the guard. */
void inbox_push(LoopObject *loop, PyObject *handle); /* one of ours, which is in no inbox */
void loop_wake(LoopObject *loop); /* ends the wait of a sleeping loop, once a turn */

/* Puts what has come behind what is ready. Of the loop's thread, or with its guard. */
int inbox_empty_slowly(LoopObject *loop);
static inline bool inbox_has_some(LoopObject *loop) {
#ifdef Py_GIL_DISABLED
    return atomic_load(&loop->inbox);
#else
    (void)loop;
    return false;
#endif
}
static inline int inbox_empty(LoopObject *loop) { return inbox_has_some(loop) ? inbox_empty_slowly(loop) : 0; }
void inbox_clear(LoopObject *loop);

#endif
