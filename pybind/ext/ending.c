/* close(), abort(), errors, and connection_lost. */
#include "ending.h"

#include <errno.h>
#include <unistd.h>

#include "callback.h"
#include "engine.h"
#include "errors.h"
#include "extra.h"
#include "soon.h"

int transport_schedule_lost(TransportObject *t, PyObject *exception) {
    if (t->loop->closed) return engine_usable_slow(t->loop);
    /* The errors of datagrams that close() has sent wait in the engine for the next turn: they are told first. */
    t->put_off = t->kind->errors_follow && t->loop->shared.backlog > 0;
    PyObject *argument = exception ? exception : Py_None, *callback = new_lost_callback(t);
    if (!callback || loop_call_soon_drop(t->loop, callback, argument, t->context) < 0) {
        PyErr_Clear();
        Py_XSETREF(t->end, Py_NewRef(argument));
        transport_owe(t, false);
    }
    Py_XDECREF(callback);
    return 0;
}

int transport_close(TransportObject *t) {
    if (t->closing) return 0;
    t->closing = true;
    PyObject *pending = t->unsent && transport_flush(t) < 0 ? PyErr_GetRaisedException() : NULL;
    /* Whose file it is may close it now, and the number be another's when the engine looks at it next. */
    if (t->buffered > 0 || (t->sock && t->attached && !t->loop->closed))
        put_aside(&pending, new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen) ? 0 : -1);
    int rc = 0;
    if (t->buffered == 0 && !t->conn_lost) {
        t->conn_lost++;
        rc = transport_schedule_lost(t, NULL);
    }
    return raise_again(pending, rc);
}

/* Closes without waiting for the queue. What this turn wrote has a last chance. */
int transport_force_close(TransportObject *t, PyObject *exception) {
    if (t->conn_lost) return 0;
    t->conn_lost++; /* first: a flush may tell of an error itself */
    t->closing = true;
    PyObject *pending = t->unsent && transport_flush(t) < 0 ? PyErr_GetRaisedException() : NULL;
    if (t->attached) put_aside(&pending, new_sqe(t->loop, GL_OP_DISCARD, t->fd, t->gen) ? 0 : -1);
    t->buffered = 0;
    return raise_again(pending, transport_schedule_lost(t, exception));
}

static int tell_server(TransportObject *t, PyObject *server, PyObject *name) {
    PyObject *argv[2] = {server, (PyObject *)t};
    return call_method_of(name, argv, t->attach_takes_transport ? 2 : 1);
}

int transport_attach_to(TransportObject *t, PyObject *server) {
    if (server == Py_None) return 0;
    if (tell_server(t, server, t->loop->state->names._attach) < 0) return -1;
    t->server = Py_NewRef(server);
    return 0;
}

int transport_detach_from(TransportObject *t) {
    PyObject *server = t->server;
    t->server = NULL;
    int rc = server ? tell_server(t, server, t->loop->state->names._detach) : 0;
    Py_XDECREF(server);
    return rc;
}

/* asyncio's _fatal_error: log, tell the handler unless it is the network's doing,
 * close, whatever became of the telling. Exits go up as they are. */
int transport_fatal(TransportObject *t, PyObject *exception, const char *message) {
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    PyObject *pending = NULL;
    put_aside(&pending, steal_result(PyObject_CallMethod((PyObject *)t->loop, "_transport_failed", "OOsO", (PyObject *)t, exception,
                                                         message, t->protocol ? t->protocol : Py_None)));
    int rc = transport_force_close(t, exception);
    Py_DECREF(exception);
    return raise_again(pending, rc);
}

/* Its number is another's from now on. gone: its file has been closed behind its back, so
 * that nothing which is queued can leave, and the number is not its to close. */
int transport_evict(LoopObject *loop, PyObject *owner, int fd, bool gone) {
    TransportObject *t = TRANSPORT(owner);
    (void)loop;
    (void)fd;
    if (!gone) transport_keep_local(t);
    int rc = transport_detach(t);
    t->buffered = t->unsent = 0;
    if (gone) t->fd = -1;
    t->closing = true;
    if (t->conn_lost || rc < 0) return rc;
    t->conn_lost++;
    PyObject *exception = new_os_error(EBADF);
    rc = transport_schedule_lost(t, exception);
    Py_DECREF(exception);
    return rc;
}

int transport_release(TransportObject *t) {
    LoopObject *loop = t->loop;
    int fd = t->fd;
    if (fd < 0 && !t->sock) return 0;
    transport_keep_local(t);
    bool usable = loop->engine > 0 && loop_is_ours(loop);
    if (!t->sock && usable && t->attached && fd_lookup(loop, fd, t->gen) && new_sqe(loop, GL_OP_CLOSE, fd, t->gen)) {
        fd_release(loop, fd);
        t->fd = -1;
        t->attached = false;
        return 0;
    }
    PyObject *pending = PyErr_GetRaisedException(); /* the submissions were full, and handing them over failed */
    put_aside(&pending, transport_detach(t));
    t->fd = -1;
    if (fd >= 0 && (!t->sock || t->duplicate)) close(fd);
    PyObject *sock = t->sock;
    t->sock = NULL;
    if (sock) put_aside(&pending, call_method_drop(sock, t->loop->state->names.close, NULL));
    Py_XSETREF(t->former_sock, sock);
    return raise_again(pending, 0);
}

/* Scheduled by close() and its kin: tells the protocol, then lets go. */
PyObject *method_call_connection_lost(TransportObject *t, PyObject *exception) {
    if (t->lost) Py_RETURN_NONE;
    if (t->put_off) return none_or_null(transport_schedule_lost(t, exception));
    t->lost = true;
    Py_INCREF(t); /* the table holds what may be the last reference */
    PyObject *pending = NULL;
    if (t->protocol) put_aside(&pending, call_method_drop(t->protocol, t->loop->state->names.connection_lost, exception));
    put_aside(&pending, transport_release(t));
    Py_CLEAR(t->held);
    Py_CLEAR(t->protocol);
    if (t->kind->lost) put_aside(&pending, t->kind->lost(t));
    put_aside(&pending, transport_detach_from(t));
    Py_DECREF(t);
    return none_or_null(raise_again(pending, 0));
}
