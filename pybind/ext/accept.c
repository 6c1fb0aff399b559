/* Accepted connections: each gets its protocol and its transport, then connection_made.
 *
 *   accepted ──factory, Server._attach──▶ attached ──connection_made──▶ made ──2 batches──▶ a stream among others
 *
 * All that come together are attached before the first is made, as the tasks of asyncio have it: what
 * connection_made does, such as closing the server, meets connections and not sockets. After stop() the rest
 * waits for the next run: completions that are not attached in the array (turn.c), attached ones in loop->attached.
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

enum { YOUNG = 3 }; /* batches: that in which it is made, and the next two */

/* Ends a connection of which its protocol has not heard and shall not. */
static int discard(StreamObject *t) {
    PyObject *protocol = t->protocol;
    t->protocol = NULL;
    int rc = protocol ? call_method_drop((PyObject *)t->loop, t->loop->state->names._accept_dropped, protocol) : 0;
    Py_XDECREF(protocol);
    return rc < 0 || t->loop->closed ? rc : transport_force_close(TRANSPORT(t), NULL);
}

/* An exception while a connection is set up: told in debug mode, as asyncio. Ends t, unless it is NULL. */
static int creation_failed(LoopObject *loop, PyObject *protocol, StreamObject *t) {
    const char *message = loop->debug ? "Error on transport creation for incoming connection" : NULL;
    PyObject *pending = NULL;
    put_aside(&pending, tell_unless_exit(loop, message, PyErr_GetRaisedException(), NULL, protocol));
    if (t) put_aside(&pending, discard(t));
    return raise_again(pending, 0);
}

static int push(LoopObject *loop, StreamObject *t) {
    if (loop->attached) return PyList_Append(loop->attached, (PyObject *)t);
    if (!(loop->attached = PyList_New(1))) return -1;
    PyList_SET_ITEM(loop->attached, 0, Py_NewRef((PyObject *)t));
    return 0;
}

/* The first that is attached and not made; NULL: there is none. */
static StreamObject *steal_attached(LoopObject *loop) {
    if (!loop->attached) return NULL;
    PyObject *t = PyList_GET_ITEM(loop->attached, loop->attached_at);
    PyList_SET_ITEM(loop->attached, loop->attached_at, Py_NewRef(Py_None));
    if (++loop->attached_at == PyList_GET_SIZE(loop->attached)) {
        loop->attached_at = 0;
        Py_CLEAR(loop->attached);
    }
    return (StreamObject *)t;
}

static int fill_addresses(StreamObject *t, PyObject *l, gl_cqe *c) {
    PyObject *sockname = listener_part(l, SOCKNAME);
    t->sockname = sockname == Py_None ? NULL : Py_NewRef(sockname);
    return c->len == 0 || transport_set_peer(TRANSPORT(t), at(c->ptr), (socklen_t)c->len) ? 0 : no_memory();
}

/* The program has replaced socket.socket, or a method of it: the connection gets what accept()
 * would have made, and asyncio's transport. */
static int accept_replaced(LoopObject *loop, PyObject *l, gl_cqe *c) {
    PyObject *peer = PyBytes_FromStringAndSize(at(c->ptr), (Py_ssize_t)c->len);
    if (!peer) close(c->res);
    return peer ? steal_result(PyObject_CallMethod((PyObject *)loop, "_accept_replaced", "OiN", l, (int)c->res, peer)) : -1;
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
    if (protocol) t = new_stream(loop, &(Parts){.fd = fd, .protocol = protocol, .context = context});
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
    if (stream_attach(t) < 0) goto failed;
    if (cancels != loop->accept_cancels) /* by the factory */
        rc = discard(t);
    else if (push(loop, t) < 0)
        goto failed;
    goto done;
failed:
    rc = creation_failed(loop, protocol, t);
done:
    steal_entered(context);
    Py_XDECREF(protocol);
    Py_XDECREF(t);
    return rc;
}

static int make(LoopObject *loop, StreamObject *t) {
    if (t->lost || !t->protocol) return 0;
    t->young_until = loop->young_until = loop->accept_era + YOUNG;
    PyObject *protocol = Py_NewRef(t->protocol), *context = Py_NewRef(t->context), *entered = new_entered(TRANSPORT(t));
    int rc = entered ? call_method_drop(protocol, loop->state->names.connection_made, (PyObject *)t) : -1;
    if (entered) steal_entered(entered);
    if (rc < 0) {
        PyObject *exception = PyErr_GetRaisedException(), *argv[1] = {(PyObject *)t};
        PyObject *callback = new_attribute(protocol, loop->state->names.connection_made);
        if (callback) {
            rc = callback_failed(loop, exception, callback, argv, 1, context);
        } else { /* what the factory has given is no protocol */
            PyErr_SetRaisedException(exception);
            rc = creation_failed(loop, protocol, t);
        }
        Py_XDECREF(callback);
    }
    PyObject *exit = rc < 0 ? PyErr_GetRaisedException() : NULL; /* after which the loop may run again */
    rc = raise_again(exit, transport_start_reading(TRANSPORT(t)));
    Py_DECREF(protocol);
    Py_DECREF(context);
    return rc;
}

static bool server_is_closed(StreamObject *t) {
    return t->server && attribute_is(t->server, t->loop->state->names._sockets, Py_None);
}

int make_accepted(LoopObject *loop, bool put_off) {
    StreamObject *t;
    int rc = 0;
    while (rc == 0 && (t = steal_attached(loop))) {
        int64_t started = loop->debug ? monotonic_ns() : 0;
        rc = callback_ran(loop, put_off && server_is_closed(t) ? discard(t) : make(loop, t));
        if (rc == 0 && loop->debug) rc = warn_if_slow(loop, (PyObject *)t, started);
        Py_DECREF(t);
    }
    return rc;
}

/* Where nothing is ready, nothing that was scheduled meanwhile is left to run. */
void age_accepted(LoopObject *loop) {
    bool quiet = loop->ready_len == 0 && !inbox_has_some(loop) && !loop->stopping;
    loop->accept_era += quiet ? YOUNG : 1;
}

/* _is_accepting(): whether a connection is on its way from accept(2) to a stream among others. */
PyObject *loop_is_accepting(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(loop->accept_begun || loop->attached || has_young(loop) || completions_accepted(loop, false));
}

int accepted_clear(LoopObject *loop) {
    PyObject *pending = NULL;
    StreamObject *t;
    while ((t = steal_attached(loop))) {
        put_aside(&pending, discard(t));
        Py_DECREF(t);
    }
    return raise_again(pending, 0);
}

/* _cancel_accepted(): closes these. */
PyObject *loop_cancel_accepted(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    uint64_t era = loop->accept_era;
    loop->accept_era += YOUNG;
    loop->accept_cancels++;
    completions_accepted(loop, true);
    int rc = accepted_clear(loop);
    for (int fd = 0; rc == 0 && fd < loop->fds_len; fd++) {
        FdEntry *e = &loop->fds[fd];
        PyObject *t = e->kind == FD_TRANSPORT ? fd_new_owner(e) : NULL;
        bool young = t && Py_IS_TYPE(t, loop->state->types.Stream) && ((StreamObject *)t)->young_until > era;
        if (young && !((StreamObject *)t)->handshakes) rc = transport_close(TRANSPORT(t));
        Py_XDECREF(t);
    }
    return none_or_null(rc);
}
