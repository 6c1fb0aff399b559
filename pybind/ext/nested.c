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
 * entry and its own bytes: the inner turn's completions are moved to memory of their
 * own, and these are put back. */
#include "nested.h"

#include <stdlib.h>

#include "arrival.h"
#include "completion.h"
#include "handle.h"
#include "inbox.h"
#include "ready.h"

struct Nest {
    gl_cqe running;  /* of the completion that is being dispatched: its entry, */
    bool in_shared;  /* whether that lies in the engine's memory, */
    char *bytes;     /* and its bytes */
    gl_cqe *cq;      /* the inner turn's completions */
    char *arena;     /* and theirs */
};

void nest_free(LoopObject *loop) {
    struct Nest *nest = loop->nest;
    if (!nest) return;
    free(nest->bytes);
    free(nest->cq);
    free(nest->arena);
    free(nest);
    loop->nest = NULL;
}

int nest_begin(LoopObject *loop) {
    if (loop->accepted_made < loop->accepted_len && loop->hooks->make_accepted(loop, false) < 0) return -1;
    if (gather_completions(loop) < 0) return -1;
    gl_shared *sh = &loop->shared;
    if (!loop->nest) {
        struct Nest *nest = loop->nest = calloc(1, sizeof *nest);
        if (nest) {
            nest->bytes = malloc((size_t)sh->arena_len); /* touched only as far as they are used */
            nest->arena = malloc((size_t)sh->arena_len);
            nest->cq = malloc((size_t)sh->cq_cap * sizeof *nest->cq);
        }
        if (!nest || !nest->bytes || !nest->arena || !nest->cq) {
            nest_free(loop);
            PyErr_NoMemory();
            return -1;
        }
    }
    struct Nest *nest = loop->nest;
    nest->in_shared = loop->running >= sh->cq && loop->running < sh->cq + sh->cq_cap;
    if (nest->in_shared) {
        nest->running = *loop->running;
        copy_bytes(&nest->running, nest->bytes);
    }
    return 0;
}

void nest_end(LoopObject *loop) {
    struct Nest *nest = loop->nest;
    gl_shared *sh = &loop->shared;
    if (!nest->in_shared) return;
    size_t used = 0;
    for (int32_t i = 0; i < loop->cq_len; i++) {
        const gl_cqe *c = &loop->cq[i];
        size_t end = bytes_of(c) ? (size_t)(c->ptr - (uintptr_t)sh->arena) + bytes_of(c) : 0;
        if (end > used) used = end;
        end = sender_of(c) ? (size_t)(c->user - (uintptr_t)sh->arena) + sender_of(c) : 0;
        if (end > used) used = end;
    }
    memcpy(nest->arena, sh->arena, used);
    memcpy(nest->cq, loop->cq, (size_t)loop->cq_len * sizeof *nest->cq);
    for (int32_t i = 0; i < loop->cq_len; i++) {
        gl_cqe *c = &nest->cq[i];
        uint64_t moved = (uintptr_t)nest->arena - (uintptr_t)sh->arena;
        if (bytes_of(c)) c->ptr += moved;
        if (sender_of(c)) c->user += moved;
    }
    loop->cq = nest->cq;
    *loop->running = nest->running;
    const gl_cqe *c = &nest->running;
    if (bytes_of(c)) memcpy(at(c->ptr), nest->bytes, bytes_of(c));
    if (sender_of(c)) memcpy(at(c->user), nest->bytes + bytes_of(c), sender_of(c));
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
    PyErr_SetString(PyExc_IndexError, "no handle is ready");
    return NULL;
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
