/* An arrival is the callback of a handle. It takes the bytes that its completion points to along.
 *
 * A callback of a transport runs in the transport's context, which cannot be entered
 * twice. What comes for a transport whose callback waits inside is barred until
 * that has returned, and then comes first. */
#include "arrival.h"

#include <stddef.h>
#include <unistd.h>

#include "completion.h"
#include "handle.h"
#include "ready.h"
#include "transport.h"

typedef struct ArrivalObject {
    PyObject_VAR_HEAD /* bytes in room */
    gl_cqe c;
    char room[]; /* what c points to: its bytes, then a datagram's sender */
} ArrivalObject;

/* The bytes that a completion points to, and a datagram's sender. */
static size_t bytes_of(const gl_cqe *c) { return c->ptr ? (size_t)c->len : 0; }

static size_t sender_of(const gl_cqe *c) { return c->kind == GL_DATAGRAM ? (size_t)c->res : 0; }

/* ---- barred ---- */

static bool is_entered(TransportObject *t) {
    PyObject *context = t->context ? new_entered_once(t) : NULL;
    steal_entered(context);
    return t->context && !context;
}

static bool is_barred(LoopObject *loop, const gl_cqe *c) {
    if (c->kind > GL_WROTE && c->kind != GL_DATAGRAM) return false;
    FdEntry *e = fd_lookup(loop, c->fd, c->gen);
    PyObject *owner = e && e->kind == FD_TRANSPORT ? fd_new_owner(e) : NULL;
    bool barred = owner && is_entered(TRANSPORT(owner));
    Py_XDECREF(owner);
    return barred;
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

static ArrivalObject *new_arrival(LoopObject *loop, const gl_cqe *c) {
    ArrivalObject *a = PyObject_NewVar(ArrivalObject, loop->state->types.Arrival, (Py_ssize_t)(bytes_of(c) + sender_of(c)));
    if (!a) return NULL;
    a->c = *c;
    if (bytes_of(c)) memcpy(a->room, at(c->ptr), bytes_of(c));
    if (sender_of(c)) memcpy(a->room + bytes_of(c), at(c->user), sender_of(c));
    return a;
}

static PyObject *arrival_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    ArrivalObject *a = (ArrivalObject *)self;
    LoopObject *loop = (LoopObject *)PyTuple_GET_ITEM(args, 0);
    if (is_barred(loop, &a->c)) {
        if (a->c.kind == GL_READABLE) Py_RETURN_NONE; /* the selector says it again: later it might read before what was read meanwhile */
        if (!loop->barred && !(loop->barred = PyList_New(0))) return NULL;
        return none_or_null(PyList_Append(loop->barred, self));
    }
    gl_cqe c = a->c;
    if (bytes_of(&c)) c.ptr = (uintptr_t)a->room;
    if (sender_of(&c)) c.user = (uintptr_t)(a->room + bytes_of(&a->c));
    a->c.kind = GL_NOTHING;
    gl_cqe *outer = loop->running;
    if (!outer) loop->running = &c; /* a run within its callback is a nested one */
    int rc = loop->hooks->dispatch(loop, &c);
    if (rc == 0 && loop->attached) rc = loop->hooks->make_accepted(loop, false);
    loop->running = outer;
    return none_or_null(rc);
}

static void arrival_dealloc(PyObject *self) {
    ArrivalObject *a = (ArrivalObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (a->c.kind == GL_ACCEPTED) close(a->c.res);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* Makes c a completion that has a handle. */
static int become_handle(LoopObject *loop, gl_cqe *c) {
    ArrivalObject *a = new_arrival(loop, c);
    PyObject *handle = a ? arrival_handle(loop, (PyObject *)a) : NULL;
    if (!handle && a) a->c.kind = GL_NOTHING; /* it owns nothing yet */
    Py_XDECREF(a);
    if (!handle) return -1;
    c->kind = GL_RUN_HANDLE;
    c->user = (uintptr_t)handle;
    return 0;
}

/* Makes handles of the completions of the batch under way that have not run. After
 * an error they are where they were, some with a handle by now. */
int gather_completions(LoopObject *loop) {
    completions_unkeep(loop);
    completions_drop_cancelled(loop);
    if (loop->cq_head == loop->cq_len) return 0;
    PyObject **handles = PyMem_Malloc((size_t)(loop->cq_len - loop->cq_head) * sizeof *handles);
    if (!handles) return no_memory();
    gl_cqe *end = &loop->cq[loop->cq_len];
    size_t n = 0;
    int rc = 0;
    for (gl_cqe *c = &loop->cq[loop->cq_head]; rc == 0 && c < end; c++) {
        if (c->kind == GL_NOTHING || c->kind == GL_RELEASED) continue;
        if (c->kind != GL_RUN_HANDLE) rc = become_handle(loop, c);
        handles[n++] = at(c->user);
    }
    if (rc == 0) rc = ready_insert(loop, loop->todo, handles, n);
    if (rc == 0) {
        loop->todo += n;
        for (gl_cqe *c = &loop->cq[loop->cq_head]; c < end; c++)
            if (c->kind == GL_RUN_HANDLE) c->kind = GL_NOTHING; /* it is the queue's */
        completions_clear(loop); /* Python code may run from here on */
    }
    PyMem_Free(handles);
    return rc;
}

static PyType_Slot slots[] = {{Py_tp_doc, "What has come for a transport, a server or the loop."},
                              {Py_tp_dealloc, arrival_dealloc},
                              {Py_tp_call, arrival_call},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._Arrival", offsetof(ArrivalObject, room), 1,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int arrival_setup(PyObject *module) {
    return (state_of(module)->types.Arrival = new_type(module, &spec, NULL)) ? 0 : -1;
}
