/* The reading side of TLS: what came is decrypted and given to the protocol. */
#include "tls.h"

#include <errno.h>

#include "ending.h"
#include "errors.h"
#include "reader.h"

enum {
    RECORD = 16 * 1024, /* most plaintext of a record (RFC 8446, 5.1): SSL_read returns that of one */
    ROOM = 5 * RECORD,
    BEYOND = 2 * RECORD,    /* of a record that has come in part, and for the read that says that there is no more */
};

/* Bytes to read plaintext into. Those of ROOM are kept between reads, so that none allocates; each read has its own, for
 * SSL_read lets other threads run. expected: bytes that have come, which hold no more plaintext than that: all of it fits. */
static PyObject *take_room(State *state, Py_ssize_t expected) {
    if (expected > ROOM - BEYOND) return PyBytes_FromStringAndSize(NULL, expected + BEYOND + 1);
    PyObject *kept = atomic_exchange(&state->reserve, NULL);
    return kept ? kept : PyBytes_FromStringAndSize(NULL, ROOM);
}

static void give_room(State *state, PyObject *room) {
    if (PyBytes_GET_SIZE(room) == ROOM) room = atomic_exchange(&state->reserve, room);
    Py_XDECREF(room);
}

/* The n bytes that room has been filled with, which is stolen. */
static PyObject *new_filled(State *state, PyObject *room, Py_ssize_t n) {
    if (PyBytes_GET_SIZE(room) != ROOM) {
        _PyBytes_Resize(&room, n); /* NULL with MemoryError when it fails */
        return room;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(PyBytes_AS_STRING(room), n);
    give_room(state, room);
    return bytes;
}

/* One SSL_read into room bytes at p. The count, 0 after close_notify, -1 with an exception. */
static Py_ssize_t read_into(State *state, PyObject *inner, void *p, Py_ssize_t room) {
    PyObject *view = PyMemoryView_FromMemory(p, room, PyBUF_WRITE);
    PyObject *size = view ? PyLong_FromSsize_t(room) : NULL;
    PyObject *argv[3] = {inner, size, view};
    PyObject *r = size ? PyObject_VectorcallMethod(state->names.read, argv, 3, NULL) : NULL;
    Py_ssize_t n = r ? PyLong_AsSsize_t(r) : -1;
    Py_XDECREF(r);
    Py_XDECREF(size);
    Py_XDECREF(view);
    return n;
}

/* Encrypted bytes that OpenSSL has not taken. -1 with an exception. */
static Py_ssize_t incoming_pending(SSLProtocolObject *p) {
    PyObject *pending = PyObject_GetAttr(p->_incoming, p->state->names.pending);
    Py_ssize_t n = pending ? PyLong_AsSsize_t(pending) : -1;
    Py_XDECREF(pending);
    return n;
}

/* The current exception ends the connection, whatever else fails. */
static void fail_surely(SSLProtocolObject *p) {
    if (tls_failed(p) == 0) return;
    PyObject *exception = PyErr_GetRaisedException(), *transport = p->_transport;
    if (transport && Py_IS_TYPE(transport, p->state->types.Stream) && transport_force_close(TRANSPORT(transport), exception) < 0)
        PyErr_Clear();
    Py_XDECREF(exception);
}

/* A signal's handler has raised an exit within SSL_read, and what that had decrypted is lost with the exception:
 * the connection ends. */
static int read_failed(SSLProtocolObject *p) {
    if (PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyObject *exit = PyErr_GetRaisedException();
    PyObject *r = PyObject_CallFunction(PyExc_ConnectionAbortedError, "is", ECONNABORTED, "interrupted while decrypting");
    if (r) PyErr_SetRaisedException(r);
    fail_surely(p);
    PyErr_SetRaisedException(exit);
    return -1;
}

/* The loop shall call _do_read(). */
static int read_soon(SSLProtocolObject *p) {
    PyObject *again = PyObject_GetAttr((PyObject *)p, p->state->names._do_read);
    PyObject *loop = again ? PyObject_GetAttr((PyObject *)p, p->state->names._loop) : NULL;
    int rc = loop ? call_method_drop(loop, p->state->names.call_soon, again) : -1;
    Py_XDECREF(again);
    Py_XDECREF(loop);
    return rc;
}

/* After an exception. An exit out of the protocol leaves the loop: the next run reads on, and does what else was
 * left undone, as to end on a close_notify. */
static int read_ended(SSLProtocolObject *p) {
    if (PyErr_ExceptionMatches(PyExc_Exception)) return tls_failed(p);
    PyObject *exit = PyErr_GetRaisedException();
    if (read_soon(p) < 0) fail_surely(p);
    PyErr_SetRaisedException(exit);
    return -1;
}

static int close_notify(SSLProtocolObject *p) {
    return call_method_drop((PyObject *)p, p->state->names._call_eof_received, NULL) < 0 ||
                   call_method_drop((PyObject *)p, p->state->names._start_shutdown, NULL) < 0
               ? -1
               : 0;
}

/* Where plaintext goes. A read wants so much room at least: with more than a record's, one that does not fill it has left nothing
 * decrypted. */
typedef struct {
    char *p;
    Py_ssize_t len, cap, least;
} Sink;

/* How reading ended. */
enum { FAILED = -1, WANTS_MORE, CLOSE_NOTIFY };

/* Reads records until OpenSSL needs more input, or until there is no room, and the rest is read soon. It says so by an exception that costs
 * as much as a record, so it is not asked when it can only say that: the memory BIO is empty, and the last read left room, that
 * is, took all of its record. OpenSSL reads no further than the record under way (read_ahead is off, and Python has
 * no switch for it), so that nothing else can be complete. */
static int read_records(SSLProtocolObject *p, PyObject *inner, Sink *s) {
    do {
        Py_ssize_t room = s->cap - s->len, n = read_into(p->state, inner, s->p + s->len, room);
        if (n < 0 && !tls_again(p)) return FAILED;
        if (n == 0) return CLOSE_NOTIFY;
        if (n > 0) s->len += n;
        Py_ssize_t pending = n < 0 ? 0 : n < room ? incoming_pending(p) : 1;
        if (pending < 0) return FAILED;
        p->unread = pending > 0;
        if (!p->unread) return WANTS_MORE;
    } while (s->cap - s->len >= s->least);
    return read_soon(p) < 0 ? FAILED : WANTS_MORE;
}

static int read_copied(SSLProtocolObject *p, PyObject *inner, Py_ssize_t expected) {
    PyObject *room = take_room(p->state, expected);
    if (!room) return -1;
    Sink sink = {.p = PyBytes_AS_STRING(room), .cap = PyBytes_GET_SIZE(room), .least = RECORD + 1};
    int end = read_records(p, inner, &sink);
    PyObject *protocol = Py_NewRef(p->_app_protocol);
    int rc = end == FAILED ? read_failed(p) : sink.len ? reader_feed(p->state, protocol, sink.p, sink.len) : FED;
    if (rc == NOT_FED) {
        PyObject *data = new_filled(p->state, room, sink.len);
        rc = data ? call_method_drop(protocol, p->state->names.data_received, data) : -1;
        Py_XDECREF(data);
    } else {
        give_room(p->state, room);
    }
    Py_DECREF(protocol);
    return rc == 0 && end == CLOSE_NOTIFY ? close_notify(p) : rc;
}

static int read_buffered(SSLProtocolObject *p, PyObject *inner) {
    Py_ssize_t pending = incoming_pending(p);
    PyObject *hint = pending < 0 ? NULL : PyLong_FromSsize_t(pending);
    PyObject *get_buffer = Py_NewRef(p->_app_protocol_get_buffer);
    PyObject *buffer = hint ? PyObject_CallOneArg(get_buffer, hint) : NULL;
    Py_DECREF(get_buffer);
    Py_XDECREF(hint);
    Py_buffer view;
    int got = buffer ? PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) : -1;
    Py_XDECREF(buffer);
    if (got < 0) return -1;
    Sink sink = {.p = view.buf, .cap = view.len, .least = 1};
    int end = read_records(p, inner, &sink);
    PyBuffer_Release(&view);
    if (end == FAILED) return read_failed(p);
    int rc = 0;
    if (sink.len > 0) {
        PyObject *count = PyLong_FromSsize_t(sink.len), *updated = Py_NewRef(p->_app_protocol_buffer_updated);
        rc = count ? steal_result(PyObject_CallOneArg(updated, count)) : -1;
        Py_DECREF(updated);
        Py_XDECREF(count);
    }
    return rc == 0 && end == CLOSE_NOTIFY ? close_notify(p) : rc;
}

/* Stops reading encrypted bytes at the high-water mark, and goes on below the low one. */
static int control_ssl_reading(SSLProtocolObject *p) {
    if (p->_ssl_reading_paused == Py_False && tls_above_zero(p, p->_incoming_high_water)) {
        Py_ssize_t pending = incoming_pending(p);
        if (pending <= 0) return (int)pending;
    }
    return call_method_drop((PyObject *)p, p->state->names._control_ssl_reading, NULL);
}

/* What _do_read does for an ordinary connection that is not paused. */
static int read_some(SSLProtocolObject *p, Py_ssize_t expected) {
    PyObject *inner = new_inner(p);
    int rc = !inner ? -1 : p->_app_protocol_is_buffer == Py_True ? read_buffered(p, inner) : read_copied(p, inner, expected);
    Py_XDECREF(inner);
    if (rc < 0) return -1;
    Py_ssize_t backlog = PyObject_Size(p->_write_backlog);
    if (backlog < 0 || (backlog ? call_method_drop((PyObject *)p, p->state->names._do_write, NULL) : tls_process_outgoing(p)) < 0)
        return -1;
    return control_ssl_reading(p);
}

static bool can_read(SSLProtocolObject *p) {
    return p->_app_reading_paused == Py_False && tls_ordinary(p) && p->_app_protocol &&
           (p->_app_protocol_is_buffer == Py_False ||
            (p->_app_protocol_is_buffer == Py_True && p->_app_protocol_get_buffer && p->_app_protocol_buffer_updated));
}

PyObject *tls_do_read(SSLProtocolObject *p, PyObject *ignored) {
    (void)ignored;
    if (!can_read(p)) return tls_standard(p->state->tls.protocol, (PyObject *)p, p->state->names._do_read, NULL);
    Py_ssize_t pending = incoming_pending(p);
    if ((pending < 0 || read_some(p, pending) < 0) && read_ended(p) < 0) return NULL;
    Py_RETURN_NONE;
}

/* The buffer of max_size, which no call wants more than. It is made when a transport asks for one: ours does not until
 * its reads are large. */
PyObject *tls_get_buffer(SSLProtocolObject *p, PyObject *sizehint) {
    (void)sizehint;
    PyObject *view = p->_ssl_buffer_view;
    if (view && PyMemoryView_Check(view) && PyMemoryView_GET_BUFFER(view)->len) return Py_NewRef(view);
    PyObject *most = PyLong_FromLong(-1);
    PyObject *r = most ? tls_standard(p->state->tls.protocol, (PyObject *)p, p->state->names.get_buffer, most) : NULL;
    Py_XDECREF(most);
    return r;
}

/* Follows the headers of the records (type, version, length: RFC 8446, 5.1), for OpenSSL does not tell whether it
 * waits for the rest of one. */
static void count_records(SSLProtocolObject *p, const uint8_t *data, Py_ssize_t n) {
    Py_ssize_t left = p->record_left;
    while (left <= n && !p->unframed) {
        data += left;
        n -= left;
        left = 0;
        while (n && p->head_len < sizeof p->head) {
            p->head[p->head_len++] = *data++;
            n--;
        }
        if (p->head_len < sizeof p->head) break;
        p->head_len = 0;
        p->unframed = p->head[1] != 3; /* no TLS, or the hello of SSL 2: nothing is known from here on */
        left = p->head[3] << 8 | p->head[4];
    }
    p->record_left = p->unframed ? 0 : (uint32_t)(left - n);
}

/* _is_cut(): whether what has come ends within a record. */
PyObject *tls_is_cut(SSLProtocolObject *p, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(!p->unframed && (p->record_left || p->head_len));
}

/* n encrypted bytes reach OpenSSL, which copies them. */
static int to_incoming(SSLProtocolObject *p, void *data, Py_ssize_t n) {
    count_records(p, data, n);
    PyObject *view = PyMemoryView_FromMemory(data, n, PyBUF_READ);
    int rc = view ? call_method_drop(p->_incoming, p->state->names.write, view) : -1;
    Py_XDECREF(view);
    return rc;
}

/* _feed(data): encrypted bytes that did not come through the transport. */
PyObject *tls_feed(SSLProtocolObject *p, PyObject *data) {
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return NULL;
    int rc = to_incoming(p, view.buf, view.len);
    PyBuffer_Release(&view);
    return none_or_null(rc);
}

static int received(SSLProtocolObject *p, const char *data, Py_ssize_t n) {
    bool more = p->unread;
    p->unread = true;
    if (to_incoming(p, (void *)data, n) < 0) return -1;
    if (can_read(p)) {
        if (more) n = incoming_pending(p);
        return n < 0 || read_some(p, n) < 0 ? read_ended(p) : 0;
    }
    PyObject *r = tls_standard(p->state->tls.protocol, (PyObject *)p, p->state->names.buffer_updated, p->state->tls.zero); /* acts on its state */
    return steal_result(r) == 0 ? 0 : PyErr_ExceptionMatches(PyExc_Exception) ? -1 : read_ended(p);
}

/* For a transport that is none of ours, or whose reads are large. */
PyObject *tls_buffer_updated(SSLProtocolObject *p, PyObject *nbytes) {
    PyObject *view = p->_ssl_buffer_view;
    Py_buffer *whole = view && PyMemoryView_Check(view) ? PyMemoryView_GET_BUFFER(view) : NULL;
    Py_ssize_t n = PyLong_AsSsize_t(nbytes);
    if (whole && n >= 0 && n <= whole->len && tls_takes_bytes(p->state, (PyObject *)p)) return none_or_null(received(p, whole->buf, n));
    PyErr_Clear();
    return tls_standard(p->state->tls.protocol, (PyObject *)p, p->state->names.buffer_updated, nbytes);
}

/* get_buffer(), the bytes and buffer_updated() in one. */
int tls_received(PyObject *protocol, const char *data, Py_ssize_t n) {
    int rc;
    GUARD(protocol)
    rc = received((SSLProtocolObject *)protocol, data, n);
    UNGUARD
    return rc;
}
