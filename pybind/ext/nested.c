/* Turns that are taken while a callback of an earlier one runs: a program enters the
 * loop again, as nest_asyncio lets Jupyter's do.
 *
 *   outer batch   ready ... ready | completions ...
 *                      ^ runs here, and takes a turn
 *
 * What is left of the outer batch comes first: it may be what the inner run waits
 * for. So it is gathered: each completion becomes a handle of the ready queue, at
 * the place that it has in the batch (arrival.c). The
 * one completion that is being dispatched (loop->running) may still use its own
 * entry and its own bytes: the engine tells the inner turn's completions elsewhere (loop/aside.go). */
#include "nested.h"

#include "arrival.h"
#include "completion.h"
#include "handle.h"
#include "inbox.h"
#include "ready.h"
#include "ring.h"

int nest_begin(LoopObject *loop) {
    if (loop->attached && loop->hooks->make_accepted(loop, false) < 0) return -1;
    if (gather_completions(loop) < 0) return -1;
    const gl_shared *sh = &loop->shared;
    if (loop->running < sh->cq || loop->running >= sh->cq + sh->cq_cap) return 0; /* it lies there itself */
    gl_sqe s = {.op = GL_OP_ASIDE, .fd = -1};
    int error = submit_one(loop, &s);
    if (error > 0) PyErr_NoMemory();
    loop->aside = error ? NULL : at(s.ptr);
    return error ? -1 : 0;
}

/* ---- the ready queue, for who runs it himself ---- */

static int gather_all(LoopObject *loop) {
    if (loop->barred && unbar_arrivals(loop) < 0) return -1;
    return gather_completions(loop) < 0 ? -1 : inbox_empty(loop);
}

/* _ready_len(): how many handles wait, the completions of the batch under way included. */
PyObject *loop_ready_len(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return gather_all(loop) < 0 ? NULL : PyLong_FromSize_t(loop->ready_len);
}

/* _ready_pop() -> the first handle; IndexError. */
PyObject *loop_ready_pop(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (gather_all(loop) < 0) return NULL;
    if (loop->ready_len) return ready_steal(loop);
    return PyErr_Format(PyExc_IndexError, "no handle is ready");
}

/* _ready_insert(handle): before all others. */
PyObject *loop_ready_insert(LoopObject *loop, PyObject *handle) {
    if (check_handle(loop->state, handle) < 0) return NULL;
    Py_INCREF(handle);
    if (ready_insert(loop, 0, &handle, 1) < 0) {
        Py_DECREF(handle);
        return NULL;
    }
    Py_RETURN_NONE;
}

/* _ready_items() -> a list of the handles. */
PyObject *loop_ready_items(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (gather_completions(loop) < 0 || inbox_empty(loop) < 0) return NULL;
    PyObject *list = PyList_New((Py_ssize_t)loop->ready_len);
    for (size_t i = 0; list && i < loop->ready_len; i++)
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(loop->ready[(loop->ready_head + i) & (loop->ready_cap - 1)]));
    return list;
}
