/* The two arrays of submissions. */
#include "ring.h"

#include "engine.h"
#include "errors.h"
#include "inbox.h"

/* Another thread fills the ring while the engine waits: a wrong program, but one that must lose nothing. */
static int widen(LoopObject *loop) {
    if (engine_usable(loop) < 0) return -1;
    return loop->api->widen(&loop->shared, loop->sq_now) < 0 ? no_memory() : 0;
}

/* What there is to tell of those that leave to make room waits: who is told may write, and watch or close what the caller is about to. */
static int make_room(LoopObject *loop) {
    loop->tells_later = true;
    int rc = submit_now(loop);
    loop->tells_later = false;
    return rc;
}

gl_sqe *new_sqe(LoopObject *loop, uint16_t op, int fd, uint32_t gen) {
    if (loop->sq_len == loop->shared.sq_caps[loop->sq_now] && (loop->in_turn ? widen(loop) : make_room(loop)) < 0) return NULL;
    gl_sqe *s = &loop->shared.sqs[loop->sq_now][loop->sq_len++];
    *s = (gl_sqe){.op = op, .fd = fd, .gen = gen};
    if (op > GL_OP_TIMER_CANCEL && op != GL_OP_TIMERS_ADD) {
        loop->sq_urgent++;
        loop->sq_sends += op == GL_OP_WRITE || op == GL_OP_SEND;
        if (loop->in_turn) loop_wake(loop);
    }
    return s;
}

void ring_start(LoopObject *loop) {
    loop->sq_len = loop->sq_urgent = loop->sq_sends = 0;
    loop->sq_bytes = 0;
    loop->sq_epoch++;
}

int submit_now(LoopObject *loop) {
    int32_t n = loop->sq_len;
    if (n == 0 || loop->in_turn) return 0;
    if (engine_usable(loop) < 0) return -1;
    gl_sqe *sq = loop->shared.sqs[loop->sq_now];
    int64_t began = loop->sq_bytes >= loop->shared.long_send ? monotonic_ns() : 0;
    loop->sq_now ^= 1; /* a destructor may submit while the writes are settled */
    ring_start(loop);
    /* With the GIL: it keeps a turn, and other threads, from the engine meanwhile. */
    int32_t rc = loop->api->submit(loop->engine, sq, n);
    if (began) loop->sending += monotonic_ns() - began;
    if (loop->hooks->settle(loop, sq, n) < 0) return -1;
    return rc < 0 ? engine_error(loop, rc) : 0;
}

int submit_one(LoopObject *loop, gl_sqe *sqe) {
    if (engine_usable(loop) < 0) return -1;
    if (loop->in_turn) { /* from another thread: order it, the answer is lost */
        gl_sqe *s = new_sqe(loop, sqe->op, sqe->fd, sqe->gen);
        if (!s) return -1;
        *s = *sqe;
        return 0;
    }
    int32_t rc = loop->api->submit(loop->engine, sqe, 1);
    return rc < 0 ? engine_error(loop, rc) : sqe->res;
}

int submit_or_raise(LoopObject *loop, gl_sqe *sqe) {
    int error = submit_one(loop, sqe);
    if (error > 0) raise_errno(error);
    return error ? -1 : 0;
}

/* Has the engine make room for what is submitted now and some more. */
int reserve_queue(LoopObject *loop) {
    if (loop->in_turn) return 0;
    gl_sqe s = {.op = GL_OP_QUEUE_RESERVE, .fd = -1, .len = loop->sq_len + loop->shared.sq_caps[0] / 4};
    int error = submit_one(loop, &s);
    if (error > 0) PyErr_NoMemory();
    return error ? -1 : 0;
}
