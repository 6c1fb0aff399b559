/* The transport in the tables, and what it keeps for its protocol. */
#include "transport.h"

#include "engine.h"
#include "errors.h"

static PyObject *new_given(PyObject *o) { return o && o != Py_None ? Py_NewRef(o) : NULL; }

TransportObject *new_transport(PyTypeObject *type, const TransportKind *kind, LoopObject *loop, const Parts *parts) {
    TransportObject *t = TRANSPORT(type->tp_alloc(type, 0));
    if (!t) return NULL;
    t->fd = -1;
    t->kind = kind;
    t->loop = (LoopObject *)Py_NewRef((PyObject *)loop);
    t->high = loop->shared.high_water;
    t->low = loop->shared.low_water;
    t->sock = new_given(parts->file);
    t->protocol = Py_XNewRef(parts->protocol); /* a factory may give None */
    t->extra = new_given(parts->extra);
    t->context = new_given(parts->context);
    if (t->context || (t->context = PyContext_CopyCurrent()))
        t->fd = parts->fd; /* from here on ours to close */
    else
        Py_CLEAR(t);
    return t;
}

int transport_attach(TransportObject *t, uint16_t op, uint16_t flags) {
    LoopObject *loop = t->loop;
    enum fd_claim claim = t->sock && !t->duplicate ? FOR_OWNER : NEW_NUMBER;
    if (fd_give(loop, t->fd, claim, FD_TRANSPORT, (PyObject *)t, &t->kind->asks, false) < 0) return -1;
    t->gen = loop->fds[t->fd].gen;
    gl_sqe *s = new_sqe(loop, op, t->fd, t->gen);
    if (!s) {
        fd_release(loop, t->fd);
        return -1;
    }
    s->flags = (uint16_t)(GL_ATTACH_PAUSED | flags);
    t->attached = true;
    t->attach_epoch = loop->sq_epoch;
    return 0;
}

static int ask_to_read(TransportObject *t) {
    if (!t->kind->hears_refusal) return new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen) ? 0 : -1;
    gl_sqe s = {.op = GL_OP_RESUME, .fd = t->fd, .gen = t->gen};
    PyObject *pending = NULL;
    put_aside(&pending, transport_flush(t)); /* what was submitted before: an exit out of a callback of another */
    int rc = submit_or_raise(t->loop, &s);
    if (rc == 0) transport_pin(t);
    return raise_again(pending, rc);
}

int transport_start_reading(TransportObject *t) {
    bool reads = t->attached && !t->paused && !t->closing;
    int rc = reads && ask_to_read(t) < 0 ? -1 : 0;
    if (!t->kind->hears_refusal) transport_pin(t);
    return rc;
}

PyObject *transport_unmake(TransportObject *t) {
    Py_CLEAR(t->sock);
    t->fd = -1;
    t->lost = true;
    Py_DECREF(t);
    return NULL;
}

int transport_detach(TransportObject *t) {
    bool attached = t->attached;
    t->attached = false;
    return attached ? fd_detach(t->loop, t->fd, t->gen) : 0;
}

/* ---- contexts ---- */

static inline PyObject *enter(TransportObject *t) {
    PyObject *context = Py_NewRef(t->context);
    if (PyContext_Enter(context) == 0) return context;
    PyErr_Clear();
    Py_DECREF(context);
    return NULL;
}

PyObject *new_entered_once(TransportObject *t) { return enter(t); }

/* Enters the transport's context for a callback of its protocol: a copy where it is entered already, as in a
 * greenlet that waits within such a callback. NULL with an exception. */
PyObject *new_entered(TransportObject *t) {
    PyObject *context = enter(t);
    if (context) return context;
    context = PyContext_Copy(t->context);
    if (context && PyContext_Enter(context) < 0) Py_CLEAR(context);
    return context;
}

/* Leaves what these gave, whatever exception is on its way. */
void steal_entered(PyObject *context) {
    if (!context) return;
    PyObject *pending = PyErr_GetRaisedException();
    if (PyContext_Exit(context) < 0) PyErr_Clear();
    Py_DECREF(context);
    if (pending) PyErr_SetRaisedException(pending);
}

/* ---- what is owed ---- */

int transport_hold(TransportObject *t, PyObject *received) {
    if (!t->held) {
        if (!(t->held = PyList_New(0))) return -1;
        t->held_at = t->held_offset = 0;
    }
    return PyList_Append(t->held, received);
}

PyObject *borrow_held(TransportObject *t) { return PyList_GET_ITEM(t->held, t->held_at); }

void transport_taken(TransportObject *t) {
    t->held_offset = 0;
    if ((Py_ssize_t)++t->held_at == PyList_GET_SIZE(t->held)) Py_CLEAR(t->held);
}

static void push(LoopObject *loop, TransportObject *t, bool first) {
    t->owing = true;
    Py_INCREF(t);
    t->next_owed = first ? loop->owed : NULL;
    if (first)
        loop->owed = t;
    else if (loop->owed)
        loop->last_owed->next_owed = t;
    else
        loop->owed = t;
    if (!t->next_owed) loop->last_owed = t;
    loop->owed_len++;
    loop->owed_todo += first;
}

void transport_owe(TransportObject *t, bool first) {
    if (!t->owing && !t->lost && !t->loop->closed) push(t->loop, t, first);
}

/* ---- what the table asks ---- */

PyObject *transport_file(PyObject *owner) { return TRANSPORT(owner)->duplicate ? NULL : TRANSPORT(owner)->sock; }

bool transport_keeps(PyObject *owner, enum fd_claim claim) {
    return !TRANSPORT(owner)->closing || (claim == FOR_WATCH && TRANSPORT(owner)->buffered > 0);
}

void transport_forgotten(PyObject *owner) { TRANSPORT(owner)->pinned = TRANSPORT(owner)->attached = false; }
