/* The reading side of a stream: what the engine read becomes calls of the
 * protocol. A callback that ran since may have paused, closed or changed the
 * protocol; bytes for a paused transport are held, for a closed one dropped. */
#include "core.h"

#include <errno.h>

/* Calls protocol.data_received(bytes). */
static int give(StreamObject *t, PyObject *bytes) {
    PyObject *protocol = Py_NewRef(t->protocol);
    int rc = call_method_drop(protocol, names.data_received, bytes);
    Py_DECREF(protocol);
    if (rc == 0) return 0;
    if (t->pipe) return pipe_callback_failed(t, steal_exception());
    return transport_fatal(TRANSPORT(t), steal_exception(), "Fatal error: protocol.data_received() call failed.");
}

/* Borrows a writable buffer from a BufferedProtocol. 0, or -1 after the stream
 * has failed, or -2 with an exception to raise. */
static int get_buffer(StreamObject *t, PyObject *protocol, Py_buffer *view) {
    static PyObject *hint; /* -1: no hint, as asyncio passes it */
    if (!hint && !(hint = PyLong_FromLong(-1))) return -2;
    PyObject *argv[2] = {protocol, hint};
    PyObject *buffer = PyObject_VectorcallMethod(names.get_buffer, argv, 2, NULL);
    int rc = buffer ? PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) : -1;
    Py_XDECREF(buffer);
    if (rc == 0 && view->len == 0) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
        rc = -1;
    }
    if (rc == 0) return 0;
    return transport_fatal(TRANSPORT(t), steal_exception(), "Fatal error: protocol.get_buffer() call failed.") < 0 ? -2 : -1;
}

static int update_failed(StreamObject *t) {
    return transport_fatal(TRANSPORT(t), steal_exception(), "Fatal error: protocol.buffer_updated() call failed.");
}

static int buffer_updated(StreamObject *t, PyObject *protocol, Py_ssize_t n) {
    PyObject *count = PyLong_FromSsize_t(n);
    int rc = count ? call_method_drop(protocol, names.buffer_updated, count) : -1;
    Py_XDECREF(count);
    return rc < 0 ? update_failed(t) : 0;
}

/* Delivers n bytes at p, piece by piece where the protocol brings the buffer. */
static int deliver(StreamObject *t, const char *p, Py_ssize_t n) {
    while (n > 0 && !t->closing && !t->conn_lost) {
        if (t->paused || !t->buffered_protocol) {
            PyObject *bytes = PyBytes_FromStringAndSize(p, n);
            int rc = !bytes ? -1 : t->paused ? transport_hold(TRANSPORT(t), bytes) : give(t, bytes);
            Py_XDECREF(bytes);
            return rc;
        }
        PyObject *protocol = Py_NewRef(t->protocol);
        if (tls_takes_bytes(protocol)) {
            int rc = tls_received(protocol, p, n);
            Py_DECREF(protocol);
            return rc < 0 ? update_failed(t) : 0;
        }
        Py_buffer view;
        int rc = get_buffer(t, protocol, &view);
        if (rc == 0) {
            Py_ssize_t take = n < view.len ? n : view.len;
            memcpy(view.buf, p, (size_t)take);
            PyBuffer_Release(&view);
            p += take;
            n -= take;
            rc = buffer_updated(t, protocol, take);
        }
        Py_DECREF(protocol);
        if (rc < 0) return rc == -1 && !PyErr_Occurred() ? 0 : -1;
    }
    return 0;
}

int on_data(StreamObject *t, const char *p, Py_ssize_t n) {
    if (t->closing || t->conn_lost) return 0;
    if (t->paused) return deliver(t, p, n);
    PyObject *context = Py_NewRef(t->context);
    int rc = -1;
    if (transport_enter(TRANSPORT(t))) {
        rc = deliver(t, p, n);
        transport_leave(context);
    }
    Py_DECREF(context);
    return rc;
}

static int64_t read_into(StreamObject *t, void *p, Py_ssize_t n) {
    LoopObject *loop = t->loop;
    if (engine_usable(loop) < 0) return -1;
    int64_t got;
    loop->in_turn = true; /* other threads keep away from the engine */
    Py_BEGIN_ALLOW_THREADS
    got = loop->api->read(loop->engine, t->fd, t->gen, p, n);
    Py_END_ALLOW_THREADS
    loop->in_turn = false;
    return got < 0 ? engine_error(loop, got) : got;
}

/* A stream that fills its reads: straight into the final object. */
static int read_direct(StreamObject *t, Py_ssize_t hint) {
    if (!t->buffered_protocol) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, hint);
        if (!bytes) return -1;
        int64_t got = read_into(t, PyBytes_AS_STRING(bytes), hint);
        if (got > 0 && got < hint && _PyBytes_Resize(&bytes, (Py_ssize_t)got) < 0) return -1;
        int rc = got < 0 ? -1 : got == 0 ? 0 : give(t, bytes);
        Py_DECREF(bytes);
        return rc;
    }
    PyObject *protocol = Py_NewRef(t->protocol);
    Py_buffer view;
    int rc = get_buffer(t, protocol, &view);
    if (rc == 0) {
        int64_t got = read_into(t, view.buf, view.len);
        PyBuffer_Release(&view);
        rc = got < 0 ? -2 : got == 0 ? 0 : buffer_updated(t, protocol, (Py_ssize_t)got);
    }
    Py_DECREF(protocol);
    return rc < 0 ? (PyErr_Occurred() ? -1 : 0) : 0;
}

int on_readable(StreamObject *t, Py_ssize_t hint) {
    if (t->closing || t->conn_lost || t->paused) return 0; /* the selector will say so again */
    PyObject *context = Py_NewRef(t->context);
    int rc = -1;
    if (transport_enter(TRANSPORT(t))) {
        rc = read_direct(t, hint);
        transport_leave(context);
    }
    Py_DECREF(context);
    return rc;
}

/* An exit left eof_received: the next run tells it again, as asyncio's selector does. */
static int tell_again(StreamObject *t, PyObject *exit) {
    t->eof_held = true;
    PyObject *callback = PyObject_GetAttrString((PyObject *)t, "_deliver_held");
    if (!callback || loop_call_soon_drop(t->loop, callback, NULL, t->context) < 0) PyErr_Clear();
    Py_XDECREF(callback);
    PyErr_SetRaisedException(exit);
    return -1;
}

/* The peer of a socket sends no more. */
static int ended(StreamObject *t) {
    PyObject *protocol = Py_NewRef(t->protocol);
    PyObject *keep = PyObject_CallMethodNoArgs(protocol, names.eof_received);
    Py_DECREF(protocol);
    int truth = keep ? PyObject_IsTrue(keep) : -1;
    Py_XDECREF(keep);
    if (truth < 0) {
        PyObject *exception = steal_exception();
        if (is_exit_exception(exception)) return tell_again(t, exception);
        return transport_fatal(TRANSPORT(t), exception, "Fatal error: protocol.eof_received() call failed.");
    }
    return truth ? 0 : transport_close(TRANSPORT(t)); /* kept: the engine reads no more */
}

/* The end of file, in the transport's context. */
static int give_eof(StreamObject *t) {
    int rc = t->pipe ? pipe_ended(t) : ended(t);
    t->ended = true;
    transport_pin(TRANSPORT(t));
    return rc;
}

int on_eof(StreamObject *t) {
    if ((t->closing && t->pipe != GL_WRITE) || t->conn_lost || !t->protocol) return 0;
    if (t->paused) {
        t->eof_held = true;
        return 0;
    }
    PyObject *context = Py_NewRef(t->context);
    int rc = -1;
    if (transport_enter(TRANSPORT(t))) {
        rc = give_eof(t);
        transport_leave(context);
    }
    Py_DECREF(context);
    return rc;
}

/* The connection failed: its context is entered already. */
int stream_failed(StreamObject *t, int error, int direction) {
    if (t->conn_lost) return 0;
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
    if (t->pipe) return pipe_failed(t, steal_exception(), direction);
    return transport_fatal(TRANSPORT(t), steal_exception(),
                        direction & GL_WRITE ? "Fatal write error on socket transport"
                                             : "Fatal read error on socket transport");
}

int on_error(StreamObject *t, int error, int direction) {
    PyObject *context = Py_NewRef(t->context);
    int rc = -1;
    if (transport_enter(TRANSPORT(t))) {
        rc = stream_failed(t, error, direction);
        transport_leave(context);
    }
    Py_DECREF(context);
    return rc;
}

/* After resume_reading(), in the transport's context: what came while it was paused. */
PyObject *stream_deliver_held(StreamObject *t, PyObject *ignored) {
    (void)ignored;
    while (t->held && !t->paused && !t->closing) {
        PyObject *list = t->held;
        t->held = NULL;
        Py_ssize_t n = PyList_GET_SIZE(list);
        int rc = 0;
        for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
            PyObject *bytes = PyList_GET_ITEM(list, i);
            rc = deliver(t, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
        }
        Py_DECREF(list);
        if (rc < 0) return NULL;
    }
    if (t->eof_held && !t->held && !t->paused && !t->closing && !t->conn_lost && t->protocol) {
        t->eof_held = false;
        if (give_eof(t) < 0) return NULL;
    }
    Py_RETURN_NONE;
}
