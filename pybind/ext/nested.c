/* Turns that are taken while a callback of an earlier one runs: a program enters the
 * loop again, as nest_asyncio lets Jupyter's do.
 *
 *   outer batch   ready ... ready | completions ...
 *                      ▲ runs here, and takes a turn
 *
 * What is left of the outer batch comes first: it may be what the inner run waits
 * for. So it is gathered: each completion becomes a handle of the ready queue, at
 * the place that it has in the batch, and takes the bytes it points to along. The
 * one completion that is being dispatched (loop->running) may still use its own
 * entry and its own bytes: the inner turn's completions are moved to memory of their
 * own, and these are put back.
 *
 * A callback of a transport runs in the transport's context, which cannot be entered
 * twice. What comes for a transport whose callback waits inside is barred until
 * that has returned, and then comes first. */
#include "core.h"

#include <stdlib.h>
#include <unistd.h>

static PyTypeObject *Arrival_Type;

/* A completion in the ready queue: the callback of a handle. */
typedef struct ArrivalObject {
    PyObject_VAR_HEAD /* bytes in room */
    gl_cqe c;
    char room[]; /* what c points to: its bytes, then a datagram's sender */
} ArrivalObject;

static size_t bytes_of(const gl_cqe *c) {
    bool points = c->kind == GL_DATA || c->kind == GL_ACCEPTED || c->kind == GL_DATAGRAM || c->kind == GL_RESOLVED;
    return points && c->ptr ? (size_t)c->len : 0;
}

static size_t sender_of(const gl_cqe *c) { return c->kind == GL_DATAGRAM ? (size_t)c->res : 0; }

static void *at(uint64_t address) { return (void *)(uintptr_t)address; }

static void copy_bytes(const gl_cqe *c, char *to) {
    if (bytes_of(c)) memcpy(to, at(c->ptr), bytes_of(c));
    if (sender_of(c)) memcpy(to + bytes_of(c), at(c->user), sender_of(c));
}

/* ---- barred ---- */

static bool is_entered(PyObject *context) {
    if (!context) return false;
    if (PyContext_Enter(context) == 0) return PyContext_Exit(context) < 0;
    PyErr_Clear();
    return true;
}

static bool is_barred(LoopObject *loop, const gl_cqe *c) {
    switch (c->kind) {
    case GL_DATA:
    case GL_READABLE:
    case GL_EOF:
    case GL_ERROR:
    case GL_WROTE:
    case GL_DATAGRAM:;
        FdEntry *e = fd_lookup(loop, c->fd, c->gen);
        return e && is_transport(e->kind) && is_entered(TRANSPORT(e->owner)->context);
    }
    return false;
}

static PyObject *arrival_handle(LoopObject *loop, PyObject *arrival) {
    PyObject *arg = (PyObject *)loop;
    return new_handle(loop, arrival, &arg, 1, NULL);
}

/* Puts what is barred no more at the head of the ready queue. */
int unbar_arrivals(LoopObject *loop) {
    Py_ssize_t n = PyList_GET_SIZE(loop->barred), left = 0;
    for (Py_ssize_t i = n; i-- > 0;) {
        PyObject *arrival = PyList_GET_ITEM(loop->barred, i);
        if (is_barred(loop, &((ArrivalObject *)arrival)->c)) {
            left++;
            continue;
        }
        PyObject *handle = arrival_handle(loop, arrival);
        if (!handle || ready_insert(loop, 0, &handle, 1) < 0) {
            Py_XDECREF(handle);
            return -1;
        }
        if (PyList_SetSlice(loop->barred, i, i + 1, NULL) < 0) return -1;
    }
    if (left == 0) Py_CLEAR(loop->barred);
    return 0;
}

/* ---- gathering ---- */

static ArrivalObject *new_arrival(const gl_cqe *c) {
    ArrivalObject *a = PyObject_NewVar(ArrivalObject, Arrival_Type, (Py_ssize_t)(bytes_of(c) + sender_of(c)));
    if (!a) return NULL;
    a->c = *c;
    copy_bytes(c, a->room);
    return a;
}

static PyObject *arrival_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    ArrivalObject *a = (ArrivalObject *)self;
    LoopObject *loop = (LoopObject *)PyTuple_GET_ITEM(args, 0);
    if (is_barred(loop, &a->c)) {
        if (!loop->barred && !(loop->barred = PyList_New(0))) return NULL;
        if (PyList_Append(loop->barred, self) < 0) return NULL;
        Py_RETURN_NONE;
    }
    gl_cqe c = a->c;
    if (bytes_of(&c)) c.ptr = (uintptr_t)a->room;
    if (sender_of(&c)) c.user = (uintptr_t)(a->room + bytes_of(&a->c));
    a->c.kind = GL_NOTHING;
    if (dispatch(loop, &c) < 0) return NULL;
    if (loop->accepted_made < loop->accepted_len && make_accepted(loop, false) < 0) return NULL;
    Py_RETURN_NONE;
}

static void arrival_dealloc(PyObject *self) {
    ArrivalObject *a = (ArrivalObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (a->c.kind == GL_ACCEPTED) close(a->c.res);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* Puts what is kept for the next run before what is left of the batch. */
void unkeep(LoopObject *loop) {
    int32_t kept = loop->cq_kept;
    if (kept == 0) return;
    loop->cq_kept = 0;
    loop->cq_head -= kept;
    memmove(&loop->cq[loop->cq_head], loop->cq, (size_t)kept * sizeof *loop->cq);
}

/* Makes a handle of a completion that an exception has kept from being dispatched. */
void put_back(LoopObject *loop, const gl_cqe *c) {
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *arrival = (PyObject *)new_arrival(c);
    PyObject *handle = arrival ? arrival_handle(loop, arrival) : NULL;
    if (!handle || ready_insert(loop, 0, &handle, 1) < 0) {
        PyErr_Clear();
        Py_XDECREF(handle);
    }
    Py_XDECREF(arrival);
    PyErr_SetRaisedException(exception);
}

/* Makes handles of the completions of the batch under way that have not run. After
 * an error they are where they were. */
int gather_completions(LoopObject *loop) {
    unkeep(loop);
    int32_t n = loop->cq_len - loop->cq_head;
    if (n == 0) return 0;
    gl_cqe *cq = loop->cq + loop->cq_head;
    PyObject **handles = PyMem_Calloc(2 * (size_t)n, sizeof *handles), **released = handles + n;
    int32_t made = 0, dropped = 0;
    if (!handles) {
        PyErr_NoMemory();
        return -1;
    }
    for (int32_t i = 0; i < n; i++) {
        if (cq[i].kind == GL_NOTHING) continue;
        if (cq[i].kind == GL_RELEASED) {
            released[dropped++] = at(cq[i].user);
            continue;
        }
        if (cq[i].kind == GL_RUN_HANDLE) {
            handles[made++] = Py_NewRef((PyObject *)at(cq[i].user));
            continue;
        }
        ArrivalObject *a = new_arrival(&cq[i]);
        PyObject *handle = a ? arrival_handle(loop, (PyObject *)a) : NULL;
        if (!handle && a) a->c.kind = GL_NOTHING; /* it owns nothing yet */
        Py_XDECREF(a);
        if (!handle) goto failed;
        handles[made++] = handle;
    }
    if (ready_insert(loop, loop->todo, handles, (size_t)made) < 0) goto failed;
    loop->todo += (size_t)made;
    loop->cq_head = loop->cq_len;
    for (int32_t i = 0; i < n; i++)
        if (cq[i].kind == GL_RUN_HANDLE) Py_DECREF((PyObject *)at(cq[i].user)); /* the queue has one of its own */
    while (dropped) Py_DECREF(released[--dropped]); /* Python code may run from here on */
    PyMem_Free(handles);
    return 0;
failed:
    while (made) {
        PyObject *handle = handles[--made];
        PyObject *callback = ((HandleObject *)handle)->callback;
        if (Py_IS_TYPE(callback, Arrival_Type)) ((ArrivalObject *)callback)->c.kind = GL_NOTHING;
        Py_DECREF(handle);
    }
    PyMem_Free(handles);
    return -1;
}

/* ---- a turn inside a dispatch ---- */

struct gl_nest {
    gl_cqe running;  /* of the completion that is being dispatched: its entry, */
    bool in_shared;  /* whether that lies in the engine's memory, */
    char *bytes;     /* and its bytes */
    gl_cqe *cq;      /* the inner turn's completions */
    char *arena;     /* and theirs */
};

void nest_free(LoopObject *loop) {
    struct gl_nest *nest = loop->nest;
    if (!nest) return;
    free(nest->bytes);
    free(nest->cq);
    free(nest->arena);
    free(nest);
    loop->nest = NULL;
}

/* Before the engine is called: nothing may fail after. */
int nest_begin(LoopObject *loop) {
    if (loop->accepted_made < loop->accepted_len && make_accepted(loop, false) < 0) return -1;
    if (gather_completions(loop) < 0) return -1;
    gl_shared *sh = &loop->shared;
    if (!loop->nest) {
        struct gl_nest *nest = loop->nest = calloc(1, sizeof *nest);
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
    struct gl_nest *nest = loop->nest;
    nest->in_shared = loop->running >= sh->cq && loop->running < sh->cq + sh->cq_cap;
    if (nest->in_shared) {
        nest->running = *loop->running;
        copy_bytes(&nest->running, nest->bytes);
    }
    return 0;
}

/* After it, before anything else runs. */
void nest_end(LoopObject *loop) {
    struct gl_nest *nest = loop->nest;
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

/* _ready_len(): how many handles wait, the completions of the batch under way included. */
PyObject *loop_ready_len(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (loop->barred && unbar_arrivals(loop) < 0) return NULL;
    return gather_completions(loop) < 0 ? NULL : PyLong_FromSize_t(loop->ready_len);
}

/* _ready_pop() -> the first handle; IndexError. */
PyObject *loop_ready_pop(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (loop->barred && unbar_arrivals(loop) < 0) return NULL;
    if (gather_completions(loop) < 0) return NULL;
    if (loop->ready_len) return ready_steal(loop);
    PyErr_SetString(PyExc_IndexError, "no handle is ready");
    return NULL;
}

/* _ready_insert(handle): before all others. */
PyObject *loop_ready_insert(LoopObject *loop, PyObject *handle) {
    if (check_handle(handle) < 0) return NULL;
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
    if (gather_completions(loop) < 0) return NULL;
    PyObject *list = PyList_New((Py_ssize_t)loop->ready_len);
    for (size_t i = 0; list && i < loop->ready_len; i++)
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(loop->ready[(loop->ready_head + i) & (loop->ready_cap - 1)]));
    return list;
}

static PyType_Slot slots[] = {{Py_tp_doc, "What has come for a transport, a server or the loop."},
                              {Py_tp_dealloc, arrival_dealloc},
                              {Py_tp_call, arrival_call},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._Arrival", offsetof(ArrivalObject, room), 1,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int nested_setup(PyObject *module) {
    Arrival_Type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return Arrival_Type ? 0 : -1;
}
