/* Writes that are held back, as the engine says (loop/briskness.go, with the reasons): those of batches of
 * hold_from callbacks or more; as callbacks return, until hold_sends wait or for hold_time, and in a long
 * batch for as long as it has run, up to hold_most; and not those of streams, whose drain() promises that what
 * it lets pass is the kernel's, nor those of pipes.
 *
 * Nothing is held above the high-water mark unless the kernel has room for it, before close(), abort() and write_eof(), when
 * get_write_buffer_size() asks, and outside a running loop. */
#include "sending.h"

#include <errno.h>

#include "engine.h"
#include "errors.h"
#include "plain.h"
#include "pulse.h"

int64_t batch_judge(LoopObject *loop, int64_t callbacks) {
    pulse_batch(loop, (uint64_t)callbacks);
    loop->holds = batch_may_hold(loop, callbacks);
    if (callbacks < loop->shared.crowd) {
        loop->judged = callbacks;
        return 0;
    }
    loop->judged = UNJUDGED;
    loop->sending = loop->long_sends = 0;
    loop->batch_began = monotonic_ns();
    loop->holds_until = loop->batch_began + loop->shared.hold_time;
    return loop->batch_began;
}

/* The engine judges: of one that was long, before the next. */
void batch_ended(LoopObject *loop, int64_t callbacks, int64_t began) {
    gl_shared *sh = &loop->shared;
    int64_t took = monotonic_ns() - began - loop->sending;
    callbacks += loop->long_sends; /* from one to the next as short as one */
    if (took <= sh->hold_time) {
        sh->ran_short += callbacks;
    } else {
        sh->ran = callbacks;
        sh->ran_ns = took;
    }
}

bool batch_holds(LoopObject *loop) {
    if (!loop->holds) return false;
    gl_shared *sh = &loop->shared;
    int64_t now = monotonic_ns();
    if (loop->sq_sends < sh->hold_sends && now < loop->holds_until) return true;
    int64_t ran = now - loop->batch_began - loop->sending;
    loop->holds_until = now + (ran < sh->hold_time ? sh->hold_time : ran < sh->hold_most ? ran : sh->hold_most);
    return false;
}

bool transport_owns_number(TransportObject *t) {
    if (!t->sock || t->duplicate || is_socket_of(t->loop->state, t->sock, t->fd)) return true;
    int fd = number_of_socket(t->loop->state, t->sock);
    if (fd == t->fd || PyErr_Occurred()) { /* what a program has put in the socket's place */
        PyErr_Clear();
        return true;
    }
    raise_errno(EBADF);
    return false;
}

/* Whether the protocol has a drain(): asyncio's flow control, perhaps behind TLS. */
bool has_drain(State *state, PyObject *protocol) {
    if (PyObject_TypeCheck(protocol, (PyTypeObject *)state->imports.flow_control)) return true;
    if (!PyObject_TypeCheck(protocol, (PyTypeObject *)state->imports.ssl_protocol)) return false;
    PyObject *inner = PyObject_GetAttr(protocol, state->names._app_protocol);
    bool drains = inner && PyObject_TypeCheck(inner, (PyTypeObject *)state->imports.flow_control);
    Py_XDECREF(inner);
    PyErr_Clear();
    return drains;
}

int transport_append(TransportObject *t, const gl_sqe *what) {
    gl_sqe *s = queue_has_room(t->loop) < 0 ? NULL : new_sqe(t->loop, what->op, t->fd, t->gen);
    if (!s) {
        Py_DECREF((PyObject *)(uintptr_t)what->user);
        return -1;
    }
    *s = *what;
    t->unsent++;
    t->buffered += what->len;
    if (!t->pinned) transport_pin(t);
    return 0;
}
