/* When what is written leaves: in the call, as asyncio's does, when nothing of its transport
 * waits. But one system call for many transports costs the loop up to a quarter less for each
 * (docs/rationale.md). So a brisk crowd's writes are held back: those of a batch of CROWD callbacks
 * or more, when the last BRISK that ran in such batches were short; until HOLD_SENDS wait, or,
 * as callbacks return, for HOLD_TIME; and not those of streams, whose drain() promises that what it
 * lets pass is the kernel's, nor those of pipes.
 *
 * A callback that goes on for long thus holds up nobody's bytes, unless a thousand before it
 * were short: then those of few, and once. Nothing is held above the high-water mark, before
 * close(), abort() and write_eof(), when get_write_buffer_size() asks, and outside a running
 * loop. */
#include "sending.h"

#include "engine.h"

enum { CROWD = 4, BRISK = 1000, HOLD_SENDS = 32 };
enum { HOLD_TIME = 100000, SHORT = 25000 }; /* ns */

bool batch_may_hold(LoopObject *loop, int64_t callbacks) { return callbacks >= CROWD && loop->brisk >= BRISK; }

int64_t batch_begins(LoopObject *loop, int64_t callbacks) {
    loop->holds = batch_may_hold(loop, callbacks);
    if (callbacks < CROWD) return 0;
    return loop->held_since = monotonic_ns();
}

void batch_ended(LoopObject *loop, int64_t callbacks, int64_t began) {
    if (monotonic_ns() - began > HOLD_TIME + callbacks * SHORT)
        loop->brisk = 0;
    else if (loop->brisk < BRISK)
        loop->brisk += (int32_t)(callbacks < BRISK ? callbacks : BRISK);
}

bool batch_holds(LoopObject *loop) {
    if (!loop->holds) return false;
    int64_t now = monotonic_ns();
    if (loop->sq_sends < HOLD_SENDS && now - loop->held_since < HOLD_TIME) return true;
    loop->held_since = now;
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

int transport_send(TransportObject *t, gl_sqe *s) {
    int rc = queue_has_room(t->loop) < 0 ? -1 : submit_one(t->loop, s);
    bool keeps = s->flags & GL_SQE_QUEUED;
    if (!keeps) Py_DECREF((PyObject *)(uintptr_t)s->user);
    return rc < 0 ? -1 : keeps;
}
