/* The writing side of a stream: write() and its kin. When it leaves: sending.c. */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ending.h"
#include "engine.h"
#include "errors.h"
#include "flow.h"
#include "pulse.h"
#include "ring.h"
#include "sending.h"

bool stream_must_tell(TransportObject *transport) {
    StreamObject *t = (StreamObject *)transport;
    bool is_full = t->buffered > t->high && !t->protocol_paused && !t->closing; /* the kernel took less than may_exceed() was told */
    return t->write_error || (t->buffered == 0 && t->empty_waiter) || is_full || transport_must_tell(transport);
}

void stream_write_failed(TransportObject *t, int error) { ((StreamObject *)t)->write_error = error; }

/* The kernel took n bytes of the queue, or failed. */
int stream_wrote(TransportObject *transport, int64_t n) {
    StreamObject *t = (StreamObject *)transport;
    if (t->write_error) {
        int error = t->write_error;
        t->write_error = 0;
        t->buffered = t->buffered > n ? t->buffered - n : 0;
        return stream_failed(t, error, GL_WRITE);
    }
    if (transport_wrote(TRANSPORT(t), n) < 0) return -1;
    if (t->buffered > t->high && !t->closing) return transport_maybe_pause(TRANSPORT(t));
    if (t->buffered || !t->empty_waiter) return 0;
    PyObject *done = PyObject_CallMethodNoArgs(t->empty_waiter, t->loop->state->names.done);
    if (!done) return -1;
    bool is_done = done == Py_True;
    Py_DECREF(done);
    return is_done ? 0 : call_method_drop(t->empty_waiter, t->loop->state->names.set_result, Py_None);
}

/* Bytes that stay as they are until the kernel has them: the object itself when
 * it cannot change, a copy otherwise. */
static PyObject *new_immutable(PyObject *data) {
    if (PyBytes_CheckExact(data)) return Py_NewRef(data);
    return PyBytes_FromObject(data);
}

/* write(2) or send(2), as the engine makes it. Who shares a pipe may have made it blocking: then another thread may be its reader. */
static ssize_t system_write(StreamObject *t, const char *p, Py_ssize_t n) {
#ifdef MSG_NOSIGNAL
    if (!t->pipe) return send(t->fd, p, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
#endif
    ssize_t wrote;
    int fd = t->fd;
    Py_BEGIN_ALLOW_THREADS
    wrote = write(fd, p, (size_t)n);
    Py_END_ALLOW_THREADS
    return wrote;
}

/* One try without the engine: for a short message the crossing costs as much as the call.
 * What s still holds then is the engine's, with what the try came to. */
static void try_alone(StreamObject *t, gl_sqe *s) {
    ssize_t n = system_write(t, (const char *)(uintptr_t)s->ptr, s->len);
    s->flags = GL_WRITE_TRIED;
    s->res = n < 0 ? errno : EAGAIN;
    if (n <= 0) return;
    pulse_sent(t->loop, (uint64_t)n);
    s->ptr += (uint64_t)n;
    s->len -= n;
}

/* Sends one piece in a call of its own. Steals. */
static int send_piece(StreamObject *t, PyObject *bytes) {
    if (queue_has_room(t->loop) < 0) {
        Py_DECREF(bytes);
        return -1;
    }
    gl_sqe s = {.op = GL_OP_WRITE, .fd = t->fd, .gen = t->gen, .len = PyBytes_GET_SIZE(bytes)};
    s.ptr = (uintptr_t)PyBytes_AS_STRING(bytes);
    s.user = (uintptr_t)bytes;
    if (t->attached && t->buffered == 0 && t->loop->shared.tries) try_alone(t, &s); /* else the number may be another's */
    Py_ssize_t n = (Py_ssize_t)s.len;
    if (n == 0) {
        Py_DECREF(bytes);
        return 0;
    }
    int rc = transport_send(TRANSPORT(t), &s);
    if (rc > 0) return transport_waits(TRANSPORT(t), n - s.len);
    return rc == 0 && s.flags & GL_SQE_FAILED ? stream_failed(t, s.res, GL_WRITE) : rc;
}

static int send_now(StreamObject *t, PyObject *bytes) {
    if (PyBytes_GET_SIZE(bytes) < t->loop->shared.long_send) return send_piece(t, bytes);
    int64_t began = monotonic_ns();
    int rc = send_piece(t, bytes);
    t->loop->sending += monotonic_ns() - began;
    return rc;
}

/* Appends one piece; 0 bytes are no piece. Steals. */
static int append(StreamObject *t, PyObject *bytes) {
    Py_ssize_t n = PyBytes_GET_SIZE(bytes);
    if (n == 0) {
        Py_DECREF(bytes);
        return 0;
    }
    gl_sqe s = {.op = GL_OP_WRITE, .fd = t->fd, .gen = t->gen, .ptr = (uintptr_t)PyBytes_AS_STRING(bytes), .len = n, .user = (uintptr_t)bytes};
    if (transport_append(TRANSPORT(t), &s) < 0) return -1;
    t->loop->sq_bytes += n;
    return 0;
}

/* Whether more than the high-water mark may be held: nothing of it waits in the engine, and the kernel has room for all of it, also
 * by its own count, which is of whole buffers. As without holding, nothing then is above the mark once it has been sent. */
static bool may_exceed(StreamObject *t) {
#if defined(__linux__) && defined(SO_MEMINFO)
    enum { ALLOCATED = 2, LIMIT = 3, QUEUED = 5, FIELDS = 9 };
    LoopObject *loop = t->loop;
    uint32_t fields[FIELDS] = {0};
    socklen_t size = sizeof fields;
    int64_t held = 0;
    if (t->buffered > loop->shared.hold_bytes) return false;
    const gl_sqe *sq = loop->sq[loop->sq_now];
    for (int32_t i = 0; i < loop->sq_len; i++)
        if (sq[i].op == GL_OP_WRITE && sq[i].fd == t->fd && sq[i].gen == t->gen) held += sq[i].len;
    if (held != t->buffered || getsockopt(t->fd, SOL_SOCKET, SO_MEMINFO, fields, &size) < 0) return false;
    uint32_t used = fields[QUEUED] > fields[ALLOCATED] ? fields[QUEUED] : fields[ALLOCATED];
    return (int64_t)fields[LIMIT] - used >= 2 * held;
#else
    (void)t;
    return false;
#endif
}

/* After appending. */
static int settle(StreamObject *t, bool gathers) {
    if (gathers && t->buffered > t->high && may_exceed(t)) return 0;
    if (!gathers && transport_flush(TRANSPORT(t)) < 0) return -1;
    return transport_maybe_pause(TRANSPORT(t));
}

/* 0: the socket is closed, which is told as an error of send(2). */
static int can_send(StreamObject *t) {
    if (engine_usable(t->loop) < 0) return -1;
    if (t->pipe || transport_owns_number(TRANSPORT(t))) return 1;
    PyErr_Clear();
    return stream_failed(t, EBADF, GL_WRITE);
}

/* Takes bytes or what is like them. */
int stream_queue(StreamObject *t, PyObject *data) {
    int can = can_send(t);
    if (can <= 0) return can;
    PyObject *bytes = new_immutable(data);
    if (!bytes) return -1;
    bool gathers = transport_gathers(TRANSPORT(t));
    if (!gathers && transport_sends_now(TRANSPORT(t)) && PyBytes_GET_SIZE(bytes)) return send_now(t, bytes);
    return append(t, bytes) < 0 || settle(t, gathers) < 0 ? -1 : 0;
}

/* Whether bytes can still go out. A transport that lost its connection takes
 * them and warns, as asyncio's does. */
static int writable(StreamObject *t, const char *method) {
    if (t->eof_written) {
        PyErr_Format(PyExc_RuntimeError, "Cannot call %s() after write_eof()", method);
        return -1;
    }
    if (t->empty_waiter) {
        PyErr_Format(PyExc_RuntimeError, "unable to %s; sendfile is in progress", method);
        return -1;
    }
    return 0;
}

static int lost_connection(StreamObject *t) {
    if (!t->conn_lost) return 0;
    return transport_warn_lost(TRANSPORT(t), &t->conn_lost, SEND_FAILED) < 0 ? -1 : 1;
}

PyObject *stream_write(StreamObject *t, PyObject *data) {
    if (!PyBytes_CheckExact(data) && !PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
        PyErr_Format(PyExc_TypeError, "data argument must be a %s, not '%.200s'",
                     PY_VERSION_HEX < 0x030E0000 ? "bytes-like object" : "bytes, bytearray, or memoryview object",
                     Py_TYPE(data)->tp_name);
        return NULL;
    }
    if (writable(t, "write") < 0) return NULL;
    Py_ssize_t length = PyBytes_Check(data) ? PyBytes_GET_SIZE(data) : PyObject_Length(data);
    if (length < 0) return NULL;
    if (length == 0) Py_RETURN_NONE;
    int lost = lost_connection(t);
    if (lost < 0) return NULL;
    if (lost) Py_RETURN_NONE;
    if (stream_queue(t, data) < 0) return NULL;
    Py_RETURN_NONE;
}

PyObject *stream_writelines(StreamObject *t, PyObject *list) {
    if (writable(t, "writelines") < 0) return NULL;
#if PY_VERSION_HEX < 0x030C0000
    /* asyncio joins here, and its errors are join's. */
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    PyObject *joined = empty ? PyObject_CallMethod(empty, "join", "O", list) : NULL;
    Py_XDECREF(empty);
    if (!joined) return NULL;
    PyObject *r = stream_write(t, joined);
    Py_DECREF(joined);
    return r;
#else
    int any = PyObject_IsTrue(list); /* asyncio asks first: None is an empty list */
    if (any < 0) return NULL;
    if (!any) Py_RETURN_NONE;
#if PY_VERSION_HEX >= 0x030E0000 /* asyncio looks at the list last */
    int gone = lost_connection(t);
    if (gone < 0) return NULL;
    if (gone) Py_RETURN_NONE;
#endif
    PyObject *items = PySequence_List(list);
    if (!items) return NULL;
    Py_ssize_t n = PyList_GET_SIZE(items);
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) { /* all of them are good, or none is sent */
        PyObject *item = PyList_GET_ITEM(items, i);
        if (PyBytes_CheckExact(item)) continue;
#if PY_VERSION_HEX >= 0x030E0000 /* asyncio leaves out what is false, bytes or not */
        int truth = PyObject_IsTrue(item);
        if (truth <= 0) {
            PyObject *nothing = truth == 0 ? PyBytes_FromStringAndSize(NULL, 0) : NULL;
            rc = nothing ? PyList_SetItem(items, i, nothing) : -1;
            continue;
        }
#endif
        PyObject *view = PyMemoryView_FromObject(item);
        PyObject *bytes = view ? PyBytes_FromObject(view) : NULL;
        Py_XDECREF(view);
        rc = bytes ? PyList_SetItem(items, i, bytes) : -1;
    }
    if (rc == 0 && n) {
        int lost = lost_connection(t);
        int can = lost < 0 ? -1 : lost ? 0 : can_send(t);
        rc = can < 0 ? -1 : 0;
        for (Py_ssize_t i = 0; rc == 0 && can && i < n; i++) rc = append(t, Py_NewRef(PyList_GET_ITEM(items, i)));
        if (rc == 0 && can) rc = settle(t, transport_gathers(TRANSPORT(t)));
    }
    Py_DECREF(items);
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
#endif
}

PyObject *stream_write_eof(StreamObject *t, PyObject *ignored) {
    (void)ignored;
    if (t->closing || t->eof_written) Py_RETURN_NONE;
    t->eof_written = true;
    if (!t->pipe && !transport_owns_number(TRANSPORT(t))) return NULL;
    if (!new_sqe(t->loop, GL_OP_SHUTDOWN, t->fd, t->gen)) return NULL;
    if (transport_flush(TRANSPORT(t)) < 0) return NULL;
    Py_RETURN_NONE;
}

/* For loop.sendfile: a future that is done once the queue is empty. */
PyObject *stream_make_empty_waiter(StreamObject *t, PyObject *ignored) {
    (void)ignored;
    if (t->empty_waiter) {
        PyErr_SetString(PyExc_RuntimeError, "Empty waiter is already set");
        return NULL;
    }
    if (t->unsent && transport_flush(TRANSPORT(t)) < 0) return NULL;
    PyObject *waiter = PyObject_CallMethod((PyObject *)t->loop, "create_future", NULL);
    if (!waiter) return NULL;
    t->empty_waiter = Py_NewRef(waiter);
    if (t->buffered == 0 && call_method_drop(waiter, t->loop->state->names.set_result, Py_None) < 0) Py_CLEAR(waiter);
    return waiter;
}

PyObject *stream_reset_empty_waiter(StreamObject *t, PyObject *ignored) {
    (void)ignored;
    Py_CLEAR(t->empty_waiter);
    Py_RETURN_NONE;
}

/* The connection is lost. A sendfile that waits, or is under way, ends. */
int stream_lost(TransportObject *transport) {
    StreamObject *t = (StreamObject *)transport;
    if (!t->empty_waiter) return 0;
    PyObject *argv[3] = {(PyObject *)t->loop, (PyObject *)t, t->empty_waiter};
    return call_method_of(t->loop->state->names._sendfile_lost, argv, 3);
}
