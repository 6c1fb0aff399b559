/* The reading side of a stream: what the engine read becomes calls of the
 * protocol. A callback that ran since may have paused, closed or changed the
 * protocol; bytes for a paused transport are held, for a closed one dropped.
 * Whatever was read is delivered, held, or ends the connection with an error. */
#include "stream.h"

#include "callback.h"
#include "ending.h"
#include "engine.h"
#include "errors.h"
#include "reader.h"
#include "sending.h"
#include "soon.h"

/* What was read cannot be had, for want of memory: with a gap in it no stream goes on. */
static int read_failed(StreamObject *t) {
    return transport_fatal(TRANSPORT(t), PyErr_GetRaisedException(), t->kind->failed[0]);
}

/* Calls protocol.data_received with the n bytes at p. bytes: the object that they are, or NULL. */
static int give(StreamObject *t, const char *p, Py_ssize_t n, PyObject *bytes) {
    State *state = t->loop->state;
    PyObject *protocol = Py_NewRef(t->protocol);
    int rc = reader_feed(state, protocol, p, n);
    if (rc == NOT_FED) {
        bytes = bytes ? Py_NewRef(bytes) : PyBytes_FromStringAndSize(p, n);
        if (!bytes) {
            Py_DECREF(protocol);
            return read_failed(t);
        }
        rc = call_method_drop(protocol, state->names.data_received, bytes);
        Py_DECREF(bytes);
    }
    Py_DECREF(protocol);
    if (rc == 0) return 0;
    if (t->pipe) return transport_callback_failed(TRANSPORT(t), PyErr_GetRaisedException(), PIPE_READ); /* and reading goes on */
    return transport_fatal(TRANSPORT(t), PyErr_GetRaisedException(), "Fatal error: protocol.data_received() call failed.");
}

/* Borrows a writable buffer from a BufferedProtocol. 1, or 0 after the stream
 * has failed, or -1 with an exception to raise. */
static int get_buffer(StreamObject *t, PyObject *protocol, Py_buffer *view) {
    PyObject *argv[2] = {protocol, t->loop->state->no_hint};
    PyObject *buffer = PyObject_VectorcallMethod(t->loop->state->names.get_buffer, argv, 2, NULL);
    int rc = buffer ? PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) : -1;
    Py_XDECREF(buffer);
    if (rc == 0 && view->len) return 1;
    if (rc == 0) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
    }
    return transport_fatal(TRANSPORT(t), PyErr_GetRaisedException(), "Fatal error: protocol.get_buffer() call failed.");
}

static int update_failed(StreamObject *t) {
    return transport_fatal(TRANSPORT(t), PyErr_GetRaisedException(), "Fatal error: protocol.buffer_updated() call failed.");
}

static int buffer_updated(StreamObject *t, PyObject *protocol, Py_ssize_t n) {
    PyObject *count = PyLong_FromSsize_t(n);
    int rc = count ? call_method_drop(protocol, t->loop->state->names.buffer_updated, count) : -1;
    Py_XDECREF(count);
    return rc < 0 ? update_failed(t) : 0;
}

static bool reads(StreamObject *t) { return !t->closing && !t->conn_lost && t->protocol; }

/* Delivers of n bytes at p what the protocol takes, piece by piece where it brings the buffer. whole: the object
 * that they are, or NULL. *taken counts what the protocol has, also when its callback raises. */
static int deliver(StreamObject *t, const char *p, Py_ssize_t n, PyObject *whole, Py_ssize_t *taken) {
    int rc = 0;
    while (rc == 0 && *taken < n && reads(t) && !t->paused) {
        const char *rest = p + *taken;
        Py_ssize_t left = n - *taken;
        if (!t->buffered_protocol) {
            whole = *taken ? NULL : whole;
            *taken = n;
            return give(t, rest, left, whole);
        }
        PyObject *protocol = Py_NewRef(t->protocol);
        if (t->loop->state->tls_takes_bytes(t->loop->state, protocol)) {
            *taken = n;
            rc = t->loop->state->tls_received(protocol, rest, left) < 0 ? update_failed(t) : 0;
        } else {
            Py_buffer view;
            rc = get_buffer(t, protocol, &view);
            if (rc > 0) {
                Py_ssize_t take = left < view.len ? left : view.len;
                memcpy(view.buf, rest, (size_t)take);
                PyBuffer_Release(&view);
                *taken += take;
                rc = buffer_updated(t, protocol, take);
            }
        }
        Py_DECREF(protocol);
    }
    return rc;
}

/* Keeps n bytes at p for later: resume_reading(), or the next run after an exit. */
static int hold(StreamObject *t, const char *p, Py_ssize_t n) {
    PyObject *bytes = PyBytes_FromStringAndSize(p, n);
    int rc = bytes ? transport_hold(TRANSPORT(t), bytes) : -1;
    Py_XDECREF(bytes);
    return rc < 0 ? read_failed(t) : 0;
}

/* The same for what a callback that has left the loop did not take. */
static void hold_rest(StreamObject *t, const char *p, Py_ssize_t n) {
    PyObject *exit = PyErr_GetRaisedException();
    if (hold(t, p, n) < 0 && exit) PyErr_Clear();
    if (!t->paused) transport_owe(TRANSPORT(t), true);
    if (exit) PyErr_SetRaisedException(exit);
}

static int on_data(StreamObject *t, const char *p, Py_ssize_t n) {
    Py_ssize_t taken = 0;
    int rc = deliver(t, p, n, NULL, &taken);
    if (taken < n && reads(t)) {
        hold_rest(t, p + taken, n - taken);
        if (PyErr_Occurred()) rc = -1;
    }
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
        if (!bytes) return read_failed(t);
        int64_t got = read_into(t, PyBytes_AS_STRING(bytes), hint);
        if (got > 0 && got < hint && _PyBytes_Resize(&bytes, (Py_ssize_t)got) < 0) return read_failed(t);
        int rc = got < 0 ? -1 : got == 0 ? 0 : give(t, PyBytes_AS_STRING(bytes), (Py_ssize_t)got, bytes);
        Py_DECREF(bytes);
        return rc;
    }
    PyObject *protocol = Py_NewRef(t->protocol);
    Py_buffer view;
    int rc = get_buffer(t, protocol, &view);
    if (rc > 0) {
        int64_t got = read_into(t, view.buf, view.len);
        PyBuffer_Release(&view);
        rc = got < 0 ? -1 : got == 0 ? 0 : buffer_updated(t, protocol, (Py_ssize_t)got);
    }
    Py_DECREF(protocol);
    return rc;
}

/* 1: the stream, whose last read its protocol has, is to be read once more; 0; -1 with an exception. The callback may have closed
 * the socket, stopped the loop, or be in a forked child: who goes on in spite of it meets that in the next turn. */
static int reads_more(StreamObject *t) {
    LoopObject *loop = t->loop;
    if (!transport_owns_number(TRANSPORT(t))) { /* may run Python */
        PyErr_Clear();
        return 0;
    }
    if (!reads(t) || t->paused || t->held || loop->stopping || loop->engine <= 0 || !loop_is_ours(loop)) return 0;
    loop->in_turn = true; /* other threads keep away from the engine */
    int32_t more = loop->api->read_more(loop->engine, t->fd, t->gen);
    loop->in_turn = false;
    return more < 0 ? engine_error(loop, more) : more;
}

/* Reads, as often as the engine says. */
static int read_row(StreamObject *t, Py_ssize_t hint) {
    int rc;
    do {
        rc = read_direct(t, hint);
        if (rc == 0) rc = reads_more(t);
    } while (rc > 0);
    return rc;
}

/* An exit left eof_received: the next run tells it again, as asyncio's selector does. */
static int tell_again(StreamObject *t, PyObject *exit) {
    t->eof_held = true;
    transport_owe(TRANSPORT(t), true);
    PyErr_SetRaisedException(exit);
    return -1;
}

/* The peer of a socket sends no more. */
static int ended(StreamObject *t) {
    PyObject *protocol = Py_NewRef(t->protocol);
    PyObject *keep = PyObject_CallMethodNoArgs(protocol, t->loop->state->names.eof_received);
    Py_DECREF(protocol);
    int truth = keep ? PyObject_IsTrue(keep) : -1;
    Py_XDECREF(keep);
    if (truth < 0) {
        PyObject *exception = PyErr_GetRaisedException();
        if (is_exit_exception(exception)) return tell_again(t, exception);
        return transport_fatal(TRANSPORT(t), exception, "Fatal error: protocol.eof_received() call failed.");
    }
    return truth ? 0 : transport_close(TRANSPORT(t)); /* kept: the engine reads no more */
}

/* The other end of a pipe has gone. Not in Python, where a handler of a signal may raise in the middle: it is told once. */
static int pipe_ended(StreamObject *t) {
    if (t->pipe == GL_WRITE) {
        PyObject *exception = t->buffered > 0 ? PyObject_CallNoArgs(PyExc_BrokenPipeError) : NULL;
        if (t->buffered > 0 && !exception) exception = PyErr_GetRaisedException();
        int rc = transport_force_close(TRANSPORT(t), exception);
        Py_XDECREF(exception);
        return rc;
    }
    PyObject *callback = PyObject_GetAttr(t->protocol, t->loop->state->names.eof_received);
    int rc = callback ? loop_call_soon_drop(t->loop, callback, NULL, t->context) : -1;
    Py_XDECREF(callback);
    if (rc < 0) return transport_fatal(TRANSPORT(t), PyErr_GetRaisedException(), t->kind->failed[0]);
    return transport_close(TRANSPORT(t));
}

/* The end of file, in the transport's context. */
static int give_eof(StreamObject *t) {
    int rc = t->pipe ? pipe_ended(t) : ended(t);
    t->ended = true;
    transport_pin(TRANSPORT(t));
    return rc;
}

/* The connection failed: its context is entered already. */
int stream_failed(StreamObject *t, int error, int direction) {
    if (t->conn_lost) return 0;
    bool writing = direction & GL_WRITE;
    if (writing) t->lost_writes++;
    return transport_fatal(TRANSPORT(t), new_os_error(error), t->kind->failed[writing]);
}

static int on_error(StreamObject *t, int error, int direction) {
    PyObject *context = new_entered_once(TRANSPORT(t)); /* it is told wherever we are */
    int rc = stream_failed(t, error, direction);
    steal_entered(context);
    return rc;
}

/* In the transport's context: what was held, piece by piece, then the end of file behind it. */
int stream_deliver_held(TransportObject *transport) {
    StreamObject *t = (StreamObject *)transport;
    int rc = 0;
    while (rc == 0 && t->held && reads(t) && !t->paused) {
        PyObject *bytes = Py_NewRef(borrow_held(TRANSPORT(t)));
        Py_ssize_t n = PyBytes_GET_SIZE(bytes), taken = t->held_offset;
        rc = deliver(t, PyBytes_AS_STRING(bytes), n, bytes, &taken);
        if (taken < n)
            t->held_offset = (uint32_t)taken;
        else if (t->held)
            transport_taken(TRANSPORT(t));
        Py_DECREF(bytes);
    }
    if (rc < 0 || !t->eof_held || t->held || !reads(t) || t->paused) return rc;
    t->eof_held = false;
    return give_eof(t);
}

/* What reading has brought: bytes, how many there are to be had, or the end. */
static int on_read(StreamObject *t, const gl_cqe *c) {
    if ((t->closing && t->pipe != GL_WRITE) || t->conn_lost || !t->protocol) return 0;
    if (t->paused || t->held) {
        if (c->kind == GL_DATA) return hold(t, (const char *)(uintptr_t)c->ptr, (Py_ssize_t)c->len);
        t->eof_held |= c->kind == GL_EOF;
        return 0; /* what is to be had the selector will say again */
    }
    PyObject *context = new_entered(TRANSPORT(t));
    if (!context) return read_failed(t);
    int rc = c->kind == GL_DATA       ? on_data(t, (const char *)(uintptr_t)c->ptr, (Py_ssize_t)c->len)
             : c->kind == GL_READABLE ? read_row(t, (Py_ssize_t)c->len)
                                      : give_eof(t);
    steal_entered(context);
    return rc;
}

int stream_arrived(LoopObject *loop, PyObject *owner, gl_cqe *c) {
    StreamObject *t = (StreamObject *)owner;
    (void)loop;
    if (c->kind == GL_ERROR) return on_error(t, c->res, c->flags);
    return c->kind == GL_WROTE ? stream_wrote(TRANSPORT(t), c->len) : on_read(t, c);
}
