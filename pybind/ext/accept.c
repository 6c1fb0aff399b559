/* Accepted connections: each gets its protocol and its transport, then connection_made.
 *
 *   accepted ──factory, Server._attach──▶ attached ──connection_made──▶ made ──2 batches──▶ a stream among others
 *
 * All that come together are attached before the first is made, as the tasks of asyncio have it: what
 * connection_made does, such as closing the server, meets connections and not sockets. After stop() the rest
 * waits for the next run: completions that are not attached in the array (turn.c), attached ones here.
 *
 * Until callbacks that were scheduled meanwhile have run, a cancelling of all tasks closes the connection:
 * goloop.accepting shows these to asyncio.all_tasks(). */
#include "accept.h"

#include <unistd.h>

#include "completion.h"
#include "engine.h"
#include "ending.h"
#include "errors.h"
#include "extra.h"
#include "handle.h"
#include "inbox.h"
#include "plain.h"
#include "sending.h"
#include "sockaddr.h"

/* An exception while a connection is set up: told in debug mode, as asyncio. */
static int creation_failed(LoopObject *loop, PyObject *protocol) {
    const char *message = loop->debug ? "Error on transport creation for incoming connection" : NULL;
    return tell_unless_exit(loop, message, PyErr_GetRaisedException(), NULL, protocol);
}

/* Ends a connection of which its protocol has not heard and shall not. */
static int discard(StreamObject *t) {
    PyObject *protocol = t->protocol;
    t->protocol = NULL;
    int rc = protocol ? call_method_drop((PyObject *)t->loop, t->loop->state->names._accept_dropped, protocol) : 0;
    Py_XDECREF(protocol);
    return rc < 0 || t->loop->closed ? rc : transport_force_close(TRANSPORT(t), NULL);
}

static int push(LoopObject *loop, StreamObject *t) {
    if (!loop->accepted && !(loop->accepted = PyList_New(0))) return -1;
    if (PyList_Append(loop->accepted, (PyObject *)t) < 0) return -1;
    loop->accepted_len++;
    return 0;
}

/* Lets go of n from that place on, which may run Python code. False for want of memory: they are where they were. */
static bool forget(LoopObject *loop, int32_t place, int32_t n) {
    PyObject *pending = PyErr_GetRaisedException();
    loop->accepted_len -= n;
    bool gone = PyList_SetSlice(loop->accepted, place, place + n, NULL) == 0;
    if (!gone) loop->accepted_len += n;
    if (!gone) PyErr_Clear();
    if (pending) PyErr_SetRaisedException(pending);
    return gone;
}

static int fill_addresses(StreamObject *t, PyObject *l, gl_cqe *c) {
    PyObject *sockname = listener_part(l, SOCKNAME);
    t->sockname = sockname == Py_None ? NULL : Py_NewRef(sockname);
    return c->len == 0 || transport_set_peer(TRANSPORT(t), at(c->ptr), (socklen_t)c->len) ? 0 : no_memory();
}

/* The program has replaced socket.socket, or a method of it: the connection gets what accept()
 * would have made, and asyncio's transport. */
static int accept_replaced(LoopObject *loop, PyObject *l, gl_cqe *c) {
    PyObject *peer = sockaddr_to_python(at(c->ptr), (socklen_t)c->len);
    PyObject *fd = peer ? PyLong_FromLong(c->res) : NULL;
    if (!fd) close(c->res);
    int rc = fd ? steal_result(PyObject_CallMethod((PyObject *)loop, "_accept_replaced", "OOO", l, fd, peer)) : -1;
    Py_XDECREF(fd);
    Py_XDECREF(peer);
    return rc;
}

int on_accepted(LoopObject *loop, PyObject *l, gl_cqe *c) {
    int fd = c->res;
    if (!accepts_plain_sockets(loop->state)) return accept_replaced(loop, l, c);
    PyObject *context = PyContext_Copy(listener_part(l, CONTEXT));
    if (!context || PyContext_Enter(context) < 0) {
        Py_XDECREF(context);
        close(fd);
        return -1;
    }
    uint32_t cancels = loop->accept_cancels;
    int rc = 0;
    StreamObject *t = NULL;
    loop->accept_begun = true; /* a factory may look, and cancel */
    PyObject *protocol = PyObject_CallNoArgs(listener_part(l, FACTORY));
    loop->accept_begun = false;
    if (protocol) t = new_stream(loop, fd, protocol, context);
    if (!t) {
        close(fd);
        goto failed;
    }
    t->family = (uint16_t)listener_number(l, FAMILY);
    t->type = (uint16_t)listener_number(l, TYPE);
    t->proto = (uint16_t)listener_number(l, PROTO);
    t->attach_takes_transport = listener_part(l, ATTACH_TAKES_TRANSPORT) == Py_True;
    t->handshakes = listener_part(l, HANDSHAKES) == Py_True;
    if (fill_addresses(t, l, c) < 0) goto failed;
    if (transport_attach_to(TRANSPORT(t), listener_part(l, SERVER)) < 0) goto failed;
    if (stream_attach(t) < 0 || push(loop, t) < 0) goto failed;
    if (cancels != loop->accept_cancels) { /* by the factory */
        forget(loop, loop->accepted_len - 1, 1);
        rc = discard(t);
    }
    goto done;
failed:
    rc = creation_failed(loop, protocol);
    if (t) {
        PyObject *exit = PyErr_GetRaisedException();
        rc = raise_again(exit, discard(t));
    }
done:
    steal_entered(context);
    Py_XDECREF(protocol);
    Py_XDECREF(t);
    return rc;
}

/* Whatever connection_made made of it: after an exit the loop may run again. */
static int start_reading(StreamObject *t, int rc) {
    PyObject *exit = rc < 0 ? PyErr_GetRaisedException() : NULL;
    bool reads = t->attached && !t->paused && !t->closing;
    rc = reads && !new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen) ? -1 : 0;
    transport_pin(TRANSPORT(t));
    return raise_again(exit, rc);
}

/* What the factory has given is no protocol. Steals the exception. */
static int not_made(StreamObject *t, PyObject *exception, PyObject *protocol) {
    PyErr_SetRaisedException(exception);
    PyObject *exit = creation_failed(t->loop, protocol) < 0 ? PyErr_GetRaisedException() : NULL;
    return raise_again(exit, discard(t));
}

static int make(LoopObject *loop, StreamObject *t) {
    if (t->lost || !t->protocol) return 0;
    PyObject *protocol = Py_NewRef(t->protocol), *context = Py_NewRef(t->context), *entered = new_entered(TRANSPORT(t));
    int rc = entered ? call_method_drop(protocol, loop->state->names.connection_made, (PyObject *)t) : -1;
    if (entered) steal_entered(entered);
    if (rc < 0) {
        PyObject *exception = PyErr_GetRaisedException(), *argv[1] = {(PyObject *)t};
        PyObject *callback = new_attribute(protocol, loop->state->names.connection_made);
        if (callback)
            rc = callback_failed(loop, exception, callback, argv, 1, context);
        else
            rc = not_made(t, exception, protocol);
        Py_XDECREF(callback);
    }
    rc = start_reading(t, rc);
    Py_DECREF(protocol);
    Py_DECREF(context);
    return rc;
}

static int is_closed(LoopObject *loop, PyObject *server) {
    if (!server) return 0;
    PyObject *sockets = PyObject_GetAttr(server, loop->state->names._sockets);
    if (!sockets) return -1;
    Py_DECREF(sockets);
    return sockets == Py_None;
}

int make_accepted(LoopObject *loop, bool put_off) {
    int rc = 0;
    while (rc == 0 && loop->accepted_made < loop->accepted_len) {
        StreamObject *t = (StreamObject *)Py_NewRef(PyList_GET_ITEM(loop->accepted, loop->accepted_made++));
        int64_t started = loop->debug ? monotonic_ns() : 0;
        int closed = put_off ? is_closed(loop, t->server) : 0;
        rc = callback_ran(loop, closed < 0 ? -1 : closed ? discard(t) : make(loop, t));
        if (rc == 0 && loop->debug) rc = warn_if_slow(loop, (PyObject *)t, started);
        Py_DECREF(t);
    }
    return rc;
}

/* Where nothing is ready, nothing that was scheduled meanwhile is left to run. */
void age_accepted(LoopObject *loop) {
    bool quiet = loop->ready_len == 0 && !inbox_has_some(loop) && !loop->stopping;
    int32_t n = quiet ? loop->accepted_made : loop->accepted_aged[1];
    loop->accepted_aged[1] = quiet ? 0 : loop->accepted_aged[0] - n;
    loop->accepted_aged[0] = loop->accepted_made -= n;
    if (n && !forget(loop, 0, n)) loop->accepted_made += n; /* the next batch tries again */
}

/* _is_accepting(): whether a connection is on its way from accept(2) to a stream among others. */
PyObject *loop_is_accepting(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(loop->accept_begun || loop->accepted_len || completions_accepted(loop, false));
}

static PyObject *steal_accepted(LoopObject *loop) {
    PyObject *accepted = loop->accepted;
    loop->accepted = NULL;
    loop->accepted_len = loop->accepted_made = loop->accepted_aged[0] = loop->accepted_aged[1] = 0;
    return accepted;
}

/* _cancel_accepted(): closes these. */
PyObject *loop_cancel_accepted(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    loop->accept_cancels++;
    completions_accepted(loop, true);
    int32_t len = loop->accepted_len, made = loop->accepted_made;
    PyObject *accepted = steal_accepted(loop);
    int rc = 0;
    for (int32_t i = 0; rc == 0 && i < len; i++) {
        StreamObject *t = (StreamObject *)PyList_GET_ITEM(accepted, i);
        rc = i >= made ? discard(t) : t->handshakes ? 0 : transport_close(TRANSPORT(t));
    }
    Py_XDECREF(accepted);
    return none_or_null(rc);
}

void accepted_clear(LoopObject *loop) {
    int32_t len = loop->accepted_len, made = loop->accepted_made;
    PyObject *accepted = steal_accepted(loop);
    for (int32_t i = made; i < len; i++) {
        PyObject *t = PyList_GET_ITEM(accepted, i);
        if (discard((StreamObject *)t) < 0) PyErr_WriteUnraisable(t);
    }
    Py_XDECREF(accepted);
}
