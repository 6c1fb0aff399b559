/* What a transport owes its protocol and no handle brings:
 *
 *   held      was read while the transport was paused, or is what an exit out of a callback left of a read
 *   eof_held  the end of file behind it
 *   end       connection_lost, for which there was no memory to schedule
 *   writes    that an exit kept from being told
 *
 * The list goes through the transports themselves and owns them: owing takes no memory, so the last error path
 * cannot fail for want of it. A batch pays between its ready callbacks and its completions what was owed when
 * it began. What an exit left comes first, before anything that was read later. */
#include "core.h"

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

static TransportObject *steal_first(LoopObject *loop) {
    TransportObject *t = loop->owed;
    loop->owed = t->next_owed;
    loop->owed_len--;
    t->next_owed = NULL;
    t->owing = false;
    return t;
}

void transport_owe(TransportObject *t, bool first) {
    if (!t->owing && !t->lost && !t->loop->closed) push(t->loop, t, first);
}

/* Enters the transport's context for a callback of its protocol: a copy where it is entered already, as in a
 * greenlet that waits within such a callback. NULL with an exception. */
PyObject *new_entered(TransportObject *t) {
    if (PyContext_Enter(t->context) == 0) return Py_NewRef(t->context);
    PyErr_Clear();
    PyObject *copy = PyContext_Copy(t->context);
    if (copy && PyContext_Enter(copy) < 0) Py_CLEAR(copy);
    return copy;
}

/* Leaves what new_entered gave, whatever exception is on its way. */
void steal_entered(PyObject *context) {
    PyObject *pending = PyErr_GetRaisedException();
    if (PyContext_Exit(context) < 0) PyErr_Clear();
    Py_DECREF(context);
    if (pending) PyErr_SetRaisedException(pending);
}

int transport_hold(TransportObject *t, PyObject *received) {
    if (!t->held) {
        if (!(t->held = PyList_New(0))) return -1;
        t->held_at = t->held_offset = 0;
    }
    return PyList_Append(t->held, received);
}

/* The first of what is held, to be taken by transport_taken. */
PyObject *borrow_held(TransportObject *t) { return PyList_GET_ITEM(t->held, t->held_at); }

void transport_taken(TransportObject *t) {
    t->held_offset = 0;
    if (++t->held_at == PyList_GET_SIZE(t->held)) Py_CLEAR(t->held);
}

/* connection_lost in the next turn. */
int transport_schedule_lost(TransportObject *t, PyObject *exception) {
    if (t->loop->closed) return engine_usable_slow(t->loop);
    /* The errors of datagrams that close() has sent wait in the engine for the next turn: they are told first. */
    bool later = t->loop->shared.backlog > 0 && Py_IS_TYPE(t, Datagram_Type);
    PyObject *argument = exception ? exception : Py_None;
    PyObject *callback = later ? PyObject_GetAttrString((PyObject *)t, "_schedule_lost") : new_lost_callback(t);
    if (!callback || loop_call_soon_drop(t->loop, callback, argument, t->context) < 0) {
        PyErr_Clear();
        Py_XSETREF(t->end, Py_NewRef(argument));
        transport_owe(t, false);
    }
    Py_XDECREF(callback);
    return 0;
}

/* What connection_lost raised is told as of any callback. */
static int end(TransportObject *t) {
    PyObject *exception = t->end;
    t->end = NULL;
    PyObject *r = method_call_connection_lost(t, exception);
    Py_DECREF(exception);
    Py_XDECREF(r);
    return r ? 0 : transport_callback_failed(t, steal_exception(), lost_name(t));
}

static int pay(TransportObject *t) {
    if (t->lost) return 0;
    bool datagram = Py_IS_TYPE(t, Datagram_Type);
    if (datagram ? transport_must_tell(t) : stream_must_tell((StreamObject *)t))
        if ((datagram ? transport_wrote(t, 0) : stream_wrote((StreamObject *)t, 0)) < 0) return -1;
    if (!t->end && !t->held && !t->eof_held) return 0;
    PyObject *context = Py_NewRef(t->context);
    if (PyContext_Enter(context) < 0) { /* one of its callbacks waits inside, and takes this turn: after that */
        PyErr_Clear();
        Py_DECREF(context);
        transport_owe(t, false);
        return 0;
    }
    int rc = t->end ? end(t) : datagram ? datagram_deliver_held(t) : stream_deliver_held((StreamObject *)t);
    steal_entered(context);
    return rc;
}

/* -1: leave the loop with the exception set; what is not paid stays owed. */
int owed_pay(LoopObject *loop) {
    while (loop->owed_todo && loop->owed) {
        loop->owed_todo--;
        TransportObject *t = steal_first(loop);
        int64_t started = loop->debug ? monotonic_ns() : 0;
        int rc = callback_ran(loop, pay(t));
        if (rc == 0 && loop->debug) rc = warn_if_slow(loop, (PyObject *)t, started);
        Py_DECREF(t);
        if (rc < 0) return -1;
    }
    loop->owed_todo = 0;
    return 0;
}

void owed_clear(LoopObject *loop) {
    while (loop->owed) Py_DECREF(steal_first(loop));
    loop->owed_todo = 0;
}

int owed_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (TransportObject *t = loop->owed; t; t = t->next_owed) Py_VISIT(t);
    return 0;
}
