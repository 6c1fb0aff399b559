/* When what is written leaves. */
#ifndef GOLOOP_SENDING_H
#define GOLOOP_SENDING_H

#include "arrival.h"
#include "transport.h"

enum { UNJUDGED = -1 };
/* Whether so many are a brisk crowd. */
static inline bool batch_may_hold(LoopObject *loop, int64_t callbacks) { return callbacks >= loop->shared.hold_from; }
int64_t batch_judge(LoopObject *loop, int64_t callbacks);
/* 0: nothing is to be said of its end. What was said of the batch before is true of another of that length, until the engine has had
 * a turn. */
static inline int64_t batch_begins(LoopObject *loop, int64_t callbacks) {
    return __builtin_expect(callbacks == loop->judged, 1) ? 0 : batch_judge(loop, callbacks);
}
bool batch_holds(LoopObject *loop); /* whether what has been written may wait for the next callback */
void batch_ended(LoopObject *loop, int64_t callbacks, int64_t began);

/* After each callback, whose outcome is rc. */
static inline int callback_ran(LoopObject *loop, int rc) {
    if (loop->barred && rc == 0) rc = unbar_arrivals(loop);
    return loop->sq_sends && rc == 0 && !batch_holds(loop) ? submit_now(loop) : rc;
}

static inline bool transport_gathers(TransportObject *t) { return t->loop->holds && !t->drains; } /* a write is held back */
static inline bool transport_sends_now(TransportObject *t) {
    return t->unsent == 0 && !t->loop->in_turn && t->attach_epoch != t->loop->sq_epoch;
}
/* false, with the OSError of a closed socket: the program has closed the one that the transport was made of, and its number may be
 * another file's. A pipe's file is not asked, as with asyncio. */
bool transport_owns_number(TransportObject *t);
bool has_drain(State *state, PyObject *protocol);
/* Appends one WRITE or SEND to the submissions. Steals what s->user names. */
int transport_append(TransportObject *t, const gl_sqe *s);

#endif
