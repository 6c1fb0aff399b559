/* The writing side of a stream: write() and its kin. When it leaves: sending.c. */
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ending.h"
#include "engine.h"
#include "errors.h"
#include "flow.h"
#include "methods.h"
#include "pulse.h"
#include "readiness.h"
#include "ring.h"
#include "sending.h"

bool stream_must_tell(TransportObject *transport) {
    StreamObject *t = (StreamObject *)transport;
    bool is_full = t->buffered > t->high && !t->protocol_paused && !t->closing; /* the kernel took less than may_exceed() was told */
    return t->write_error || (t->buffered == 0 && t->empty_waiter) || is_full || transport_must_tell(transport);
}

int stream_send_failed(TransportObject *t, int error) { return stream_failed((StreamObject *)t, error, GL_WRITE); }
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
    return wake_future(t->loop->state, t->empty_waiter);
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

/* Sends one piece in a call of its own, and pauses nobody. Steals. */
static int send_piece(StreamObject *t, PyObject *bytes) {
    if (queue_has_room(t->loop) < 0) {
        Py_DECREF(bytes);
        return -1;
    }
    gl_sqe s = {.op = GL_OP_WRITE, .fd = t->fd, .gen = t->gen, .len = PyBytes_GET_SIZE(bytes)};
    s.ptr = (uintptr_t)PyBytes_AS_STRING(bytes);
    s.user = (uintptr_t)bytes;
    if (t->attached && t->buffered == 0 && t->loop->shared.tries) try_alone(t, &s); /* else the number may be another's */
    if (s.len) return transport_send(TRANSPORT(t), &s);
    Py_DECREF(bytes);
    return 0;
}

/* The same of a long one: the time is the system's. */
static int send_long(StreamObject *t, PyObject *bytes) {
    int64_t began = monotonic_ns();
    int rc = send_piece(t, bytes);
    t->loop->sending += monotonic_ns() - began;
    t->loop->long_sends++;
    return rc;
}

static int send_now(StreamObject *t, PyObject *bytes) {
    int rc = PyBytes_GET_SIZE(bytes) < t->loop->shared.long_send ? send_piece(t, bytes) : send_long(t, bytes);
    return rc == 0 && t->buffered > t->high ? transport_maybe_pause(TRANSPORT(t)) : rc;
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

/* Whether more than the high-water mark may be held. What the engine has said is true until they leave. */
static bool may_exceed(StreamObject *t) {
    LoopObject *loop = t->loop;
    if (loop->room.epoch != loop->sq_epoch || loop->room.fd != t->fd || loop->room.gen != t->gen) {
        gl_sqe s = {.op = GL_OP_ROOM, .fd = t->fd, .gen = t->gen, .len = t->buffered};
        int room = submit_one(loop, &s);
        if (room < 0) PyErr_Clear(); /* the next turn tells of it */
        loop->room.epoch = loop->sq_epoch;
        loop->room.fd = t->fd;
        loop->room.gen = t->gen;
        loop->room.bytes = room;
    }
    return t->buffered <= loop->room.bytes;
}

/* After appending so many bytes, in as many pieces as may be. */
static int settle(StreamObject *t, bool gathers, int64_t bytes) {
    if (bytes >= t->loop->shared.long_send) t->loop->long_sends++;
    if (gathers && t->buffered > t->high && may_exceed(t)) return 0;
    if (!gathers && transport_flush(TRANSPORT(t)) < 0) return -1;
    return transport_maybe_pause(TRANSPORT(t));
}

/* Takes bytes or what is like them. */
static int queue(StreamObject *t, PyObject *data) {
    PyObject *bytes = new_immutable(data);
    if (!bytes) return -1;
    bool gathers = transport_gathers(TRANSPORT(t));
    Py_ssize_t n = PyBytes_GET_SIZE(bytes);
    if (!gathers && transport_sends_now(TRANSPORT(t)) && n) return send_now(t, bytes);
    return append(t, bytes) < 0 || settle(t, gathers, n) < 0 ? -1 : 0;
}

/* Whether bytes can be taken. */
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

/* 0: they can go out. 1: not any more, which is told: of a lost connection by a warning, as asyncio's transports take them and
 * warn; of a socket that is closed as an error of send(2). */
static int is_gone(StreamObject *t) {
    if (t->conn_lost || (t->pipe && t->closing))
        return transport_warn_lost(TRANSPORT(t), t->pipe ? &t->lost_writes : &t->conn_lost) < 0 ? -1 : 1;
    if (engine_usable(t->loop) < 0) return -1;
    if (t->pipe || transport_owns_number(TRANSPORT(t))) return 0;
    PyErr_Clear();
    return stream_failed(t, EBADF, GL_WRITE) < 0 ? -1 : 1;
}

/* asyncio's error for what is no bytes. NULL. */
static PyObject *refuse(StreamObject *t, PyObject *data) {
    if (!t->pipe)
        return PyErr_Format(PyExc_TypeError, "data argument must be a %s, not '%.200s'",
                            PY_VERSION_HEX < 0x030E0000 ? "bytes-like object" : "bytes, bytearray, or memoryview object",
                            Py_TYPE(data)->tp_name);
    PyObject *text = PyObject_Repr(data); /* before 3.12, PyErr_Format drops what that raises */
    if (text) PyErr_SetObject(PyExc_AssertionError, text);
    Py_XDECREF(text);
    return NULL;
}

PyObject *stream_write(StreamObject *t, PyObject *data) {
    if (!is_data(data)) return refuse(t, data);
    if (writable(t, "write") < 0) return NULL;
    Py_ssize_t length = PyBytes_Check(data) ? PyBytes_GET_SIZE(data) : PyObject_Length(data);
    if (length <= 0) return length < 0 ? NULL : Py_NewRef(Py_None);
    int gone = is_gone(t);
    return none_or_null(gone ? gone : queue(t, data));
}

TAKES_ONE(method_write, "write", "data", StreamObject, stream_write)

/* What writelines() sends: a list of bytes that nobody else has. */
static PyObject *new_pieces(StreamObject *t, PyObject *lines) {
    bool plain = PY_VERSION_HEX >= 0x030C0000 && (PyList_CheckExact(lines) || PyTuple_CheckExact(lines));
    PyObject *list = plain ? PySequence_List(lines) : NULL;
    for (Py_ssize_t i = 0; list && plain && i < PyList_GET_SIZE(list); i++) plain = PyBytes_CheckExact(PyList_GET_ITEM(list, i));
    if (plain) return list;
    Py_XDECREF(list);
    return PyObject_CallMethodOneArg((PyObject *)t, t->loop->state->names._pieces, lines);
}

static PyObject *new_joined(PyObject *pieces, int64_t bytes) {
    if (PyList_GET_SIZE(pieces) == 1) return Py_NewRef(PyList_GET_ITEM(pieces, 0));
    PyObject *whole = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes);
    char *to = whole ? PyBytes_AS_STRING(whole) : NULL;
    for (Py_ssize_t i = 0; whole && i < PyList_GET_SIZE(pieces); i++) {
        PyObject *piece = PyList_GET_ITEM(pieces, i);
        memcpy(to, PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece));
        to += PyBytes_GET_SIZE(piece);
    }
    return whole;
}

/* Of pieces that leave now, a few bytes are copied, and written as one. */
static int queue_pieces(StreamObject *t, PyObject *pieces) {
    bool gathers = transport_gathers(TRANSPORT(t));
    int64_t bytes = 0;
    Py_ssize_t n = PyList_GET_SIZE(pieces);
    for (Py_ssize_t i = 0; i < n; i++) bytes += PyBytes_GET_SIZE(PyList_GET_ITEM(pieces, i));
    if (!gathers && transport_sends_now(TRANSPORT(t)) && bytes && (n == 1 || bytes <= t->loop->shared.join_most)) {
        PyObject *whole = new_joined(pieces, bytes);
        return whole ? send_now(t, whole) : -1;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        if (append(t, Py_NewRef(PyList_GET_ITEM(pieces, i))) < 0) return -1;
    return settle(t, gathers, bytes);
}

/* All of them are good, or none is sent. */
PyObject *stream_writelines(StreamObject *t, PyObject *lines) {
    PyObject *pieces = writable(t, "writelines") < 0 ? NULL : new_pieces(t, lines);
    if (!pieces) return NULL;
    int rc = PyList_GET_SIZE(pieces) ? is_gone(t) : 1;
    if (rc == 0) rc = queue_pieces(t, pieces);
    Py_DECREF(pieces);
    return none_or_null(rc);
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

/* _keep_empty_waiter(future, or None) -> bool: it is done once the queue is empty. False: there is another. */
PyObject *stream_keep_empty_waiter(StreamObject *t, PyObject *waiter) {
    if (waiter != Py_None && t->empty_waiter) Py_RETURN_FALSE;
    Py_XSETREF(t->empty_waiter, waiter == Py_None ? NULL : Py_NewRef(waiter));
    Py_RETURN_TRUE;
}

/* The connection is lost. A sendfile that waits, or is under way, ends. */
int stream_lost(TransportObject *transport) {
    StreamObject *t = (StreamObject *)transport;
    if (!t->empty_waiter) return 0;
    PyObject *argv[3] = {(PyObject *)t->loop, (PyObject *)t, t->empty_waiter};
    return call_method_of(t->loop->state->names._sendfile_lost, argv, 3);
}
