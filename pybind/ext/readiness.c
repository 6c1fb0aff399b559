/* What sock_recv and its kin wait for when they would block.
 *
 * The object is the wait: it is the descriptor's reader (or writer) from its
 * creation to its end, and a coroutine holds it only while it awaits. So a wait
 * that is cancelled, thrown into or dropped with its coroutine ends there, before
 * the coroutine's own handlers run, and the descriptor is free for the next one.
 * It tells that the descriptor is ready and takes nothing from it: whoever
 * is cancelled between the two has lost no byte and no connection.
 *
 * sock_recv, sock_recv_into and sock_sendall of a plain socket begin with recv(2) or send(2) by its descriptor, without an
 * exception for what would block; and what sock_recv awaits receives, without a frame for each time that it would. Only for
 * the standard library's own socket.socket that never blocks, and not in debug mode: all others have methods, timeouts and
 * checks that Python asks for. As there, the coroutine itself makes each attempt, after it has been woken, on the
 * descriptor that the socket has then. */
#include "readiness.h"

#include <errno.h>
#include <sys/socket.h>

#include "descriptors.h"
#include "engine.h"
#include "errors.h"
#include "handle.h"
#include "named.h"
#include "plain.h"
#include "tasks.h"
#include "watch.h"

typedef struct {
    PyObject_HEAD
    LoopObject *loop;   /* NULL: it has ended */
    PyObject *iterator; /* of the future that the task waits for */
    PyObject *handle;   /* sets the future's result */
    int fd;
    bool writer;
    PyObject *sock;  /* of _receive: exactly socket.socket, and plain; NULL: who awaits makes the attempt */
    Py_ssize_t size; /* of it, at most */
} Readiness;

/* ---- the wait ---- */

int wake_future(State *state, PyObject *future) {
    PyObject *done = PyObject_CallMethodNoArgs(future, state->names.done);
    int is_done = done ? PyObject_IsTrue(done) : -1;
    Py_XDECREF(done);
    return is_done ? (is_done < 0 ? -1 : 0) : call_method_drop(future, state->names.set_result, Py_None);
}

/* wake(future): the handle's callback. A descriptor may be ready in more turns than one
 * before the task has run. */
static PyObject *wake(PyObject *module, PyObject *future) { return none_or_null(wake_future(state_of(module), future)); }

static PyMethodDef wake_method = {"wake", wake, METH_O, NULL};

/* It is as new then, but for what it receives; keeps the exception that there is. */
static void end(Readiness *r) {
    LoopObject *loop = r->loop;
    PyObject *handle = r->handle;
    r->loop = NULL;
    r->handle = NULL;
    if (loop && handle) {
        PyObject *exception = PyErr_GetRaisedException(); /* what ends the coroutine */
        int rc;
        GUARD(loop->guard)
        rc = watch_end(loop, r->fd, handle, r->writer);
        UNGUARD
        if (rc < 0) PyErr_WriteUnraisable((PyObject *)loop);
        if (exception) PyErr_SetRaisedException(exception);
    }
    Py_XDECREF(handle);
    Py_XDECREF(loop);
    Py_CLEAR(r->iterator);
}

/* follows: it may be told for nothing, so it may follow another of the same number (watch.c). */
static int begin(Readiness *r, LoopObject *loop, int fd, bool follows) {
    State *state = loop->state;
    if (engine_usable(loop) < 0) return -1;
    if (fd < loop->fds_len && loop->fds[fd].kind != FD_FREE) {
        PyObject *number = PyLong_FromLong(fd);
        PyObject *none = number ? PyObject_CallMethodOneArg((PyObject *)loop, state->names._ensure_fd_no_transport, number) : NULL;
        Py_XDECREF(number);
        if (!none) return -1;
        Py_DECREF(none);
    }
    PyObject *future = new_future(loop);
    if (!future) return -1;
    PyAsyncMethods *async = Py_TYPE(future)->tp_as_async;
    if (!async || !async->am_await)
        PyErr_Format(PyExc_TypeError, "create_future() returned %R, which cannot be awaited", future);
    else
        r->iterator = async->am_await(future);
    r->loop = (LoopObject *)Py_NewRef(loop);
    r->fd = fd;
    r->handle = r->iterator ? new_handle(loop, state->wake, &future, 1, NULL) : NULL;
    Py_DECREF(future);
    if (r->handle && follows && watch_renew(loop, fd, r->handle, r->writer)) return 0;
    if (r->handle && watch_begin(loop, fd, NULL, r->handle, r->writer) == 0) return 0;
    end(r);
    return -1;
}

static PyObject *new_readiness(LoopObject *loop, int fd, bool writer, bool follows, PyObject *sock, Py_ssize_t size) {
    PyTypeObject *type = loop->state->types.Readiness;
    Readiness *r = (Readiness *)type->tp_alloc(type, 0);
    if (!r) return NULL;
    r->writer = writer;
    r->sock = Py_XNewRef(sock);
    r->size = size;
    if (begin(r, loop, fd, follows) < 0) Py_CLEAR(r);
    return (PyObject *)r;
}

/* loop._readable(fd), loop._writable(fd): what to await before the next attempt; loop._connecting(fd): before the one look at
 * what has become of a connect. */
static PyObject *wait_for(LoopObject *loop, PyObject *number, bool writer, bool follows) {
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(loop, number);
    return fd < 0 ? NULL : new_readiness(loop, fd, writer, follows, NULL, 0);
}

PyObject *method_readable(LoopObject *loop, PyObject *fd) { return wait_for(loop, fd, false, true); }
PyObject *method_writable(LoopObject *loop, PyObject *fd) { return wait_for(loop, fd, true, true); }
PyObject *method_connecting(LoopObject *loop, PyObject *fd) { return wait_for(loop, fd, true, false); }

/* ---- attempts ---- */

/* From here on the GIL is let go for the time that the kernel copies. */
enum { LONG = 64 << 10 };
enum { BLOCKS = -1, RAISED = -2 };

static ssize_t transfer(int fd, bool sends, char *p, Py_ssize_t n) {
    return sends ? send(fd, p, (size_t)n, MSG_DONTWAIT) : recv(fd, p, (size_t)n, MSG_DONTWAIT);
}

/* How many bytes; BLOCKS: it would; RAISED: an exception. */
static Py_ssize_t move(int fd, bool sends, char *p, Py_ssize_t n) {
    for (;;) {
        Py_ssize_t done;
        int error;
        if (n < LONG) {
            done = transfer(fd, sends, p, n);
            error = errno;
        } else {
            Py_BEGIN_ALLOW_THREADS
            done = transfer(fd, sends, p, n);
            error = errno;
            Py_END_ALLOW_THREADS
        }
        if (done >= 0) return done;
        if (error == EAGAIN || error == EWOULDBLOCK) return BLOCKS;
        if (error != EINTR) {
            raise_errno(error);
            return RAISED;
        }
        if (PyErr_CheckSignals() < 0) return RAISED;
    }
}

static bool get_number(LoopObject *loop, PyObject *sock, int *fd) {
    *fd = number_of_socket(loop->state, sock);
    return *fd != -1 || !PyErr_Occurred();
}

/* 1: received; 0: it would block; -1 with an exception. */
static int receive(LoopObject *loop, PyObject *sock, Py_ssize_t size, int *fd, PyObject **result) {
    PyObject *bytes = get_number(loop, sock, fd) ? PyBytes_FromStringAndSize(NULL, size) : NULL;
    if (!bytes) return -1;
    Py_ssize_t n = move(*fd, false, PyBytes_AS_STRING(bytes), size);
    if (n < 0) {
        Py_DECREF(bytes);
        return n == BLOCKS ? 0 : -1;
    }
    if (n < size && _PyBytes_Resize(&bytes, n) < 0) return -1;
    *result = bytes;
    return 1;
}

static int never_blocks(State *state, PyObject *sock) {
    PyObject *timeout = PyObject_Vectorcall(state->plain.gettimeout, &sock, 1, NULL);
    if (!timeout) return -1;
    int rc = PyFloat_Check(timeout) && PyFloat_AS_DOUBLE(timeout) == 0.0;
    Py_DECREF(timeout);
    return rc;
}

/* Whether a call is for us: 1, 0, or -1 with an exception. */
static int is_ours(LoopObject *loop, PyObject *sock) {
    State *state = loop->state;
    if (loop->debug || !Py_IS_TYPE(sock, (PyTypeObject *)state->imports.socket) || !sockets_are_plain(state)) return 0;
    return never_blocks(state, sock);
}

/* _receive(sock, n): bytes, what to await, or None: it is not for us. */
PyObject *method_receive(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_receive(sock, n)", n, 2) < 0) return NULL;
    if (!PyLong_CheckExact(args[1])) Py_RETURN_NONE;
    Py_ssize_t size = PyLong_AsSsize_t(args[1]);
    if (size == -1 && PyErr_Occurred()) PyErr_Clear();
    int ours = size > 0 ? is_ours(loop, args[0]) : 0, fd;
    if (ours <= 0) return none_or_null(ours);
    PyObject *result = NULL;
    if (receive(loop, args[0], size, &fd, &result) != 0) return result;
    return new_readiness(loop, fd, false, true, args[0], size);
}

/* How many of the buffer's bytes, False: it would block, or None: it is not for us. */
static PyObject *exchange(LoopObject *loop, PyObject *sock, PyObject *data, bool sends) {
    int ours = is_ours(loop, sock), fd;
    if (ours <= 0) return none_or_null(ours);
    Py_buffer buffer;
    if (PyObject_GetBuffer(data, &buffer, sends ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0) {
        PyErr_Clear(); /* the socket's own method has words for it */
        Py_RETURN_NONE;
    }
    Py_ssize_t size = buffer.len, n = BLOCKS;
    bool moves = sends || size; /* the socket's own recv_into does nothing then */
    if (moves) n = get_number(loop, sock, &fd) ? move(fd, sends, buffer.buf, size) : RAISED;
    PyBuffer_Release(&buffer);
    if (!moves) Py_RETURN_NONE;
    if (n < 0) return n == BLOCKS ? Py_NewRef(Py_False) : NULL;
    return sends && n == size ? Py_NewRef(Py_True) : PyLong_FromSsize_t(n);
}

/* _receive_into(sock, buffer) */
PyObject *method_receive_into(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    return check_number("_receive_into(sock, buffer)", n, 2) < 0 ? NULL : exchange(loop, args[0], args[1], false);
}

/* _send(sock, data): also True, when all has been sent. */
PyObject *method_send(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    return check_number("_send(sock, data)", n, 2) < 0 ? NULL : exchange(loop, args[0], args[1], true);
}

/* ---- the awaitable ---- */

/* Another attempt, or the next wait. 1: done; 0: it waits; -1 with an exception. */
static int again(Readiness *r, LoopObject *loop, PyObject **result) {
    int fd, rc = receive(loop, r->sock, r->size, &fd, result);
    if (rc) {
        Py_CLEAR(r->sock);
        return rc;
    }
    GUARD(loop->guard)
    rc = begin(r, loop, fd, true);
    UNGUARD
    return rc;
}

static PySendResult readiness_send(Readiness *r, PyObject *ignored, PyObject **result) {
    (void)ignored;
    while (r->iterator) {
        PySendResult sent = PyIter_Send(r->iterator, Py_None, result);
        if (sent != PYGEN_RETURN) return sent;
        LoopObject *loop = (LoopObject *)Py_XNewRef(r->loop);
        end(r);
        if (!r->sock || !loop) {
            Py_XDECREF(loop);
            return PYGEN_RETURN;
        }
        Py_CLEAR(*result);
        int done = again(r, loop, result);
        Py_DECREF(loop);
        if (done) return done > 0 ? PYGEN_RETURN : PYGEN_ERROR;
    }
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PyObject *readiness_next(Readiness *r) {
    PyObject *result = NULL;
    PySendResult sent = readiness_send(r, Py_None, &result);
    if (sent != PYGEN_RETURN) return result;
    PyErr_SetObject(PyExc_StopIteration, result); /* neither a tuple nor an exception */
    Py_DECREF(result);
    return NULL;
}

static int readiness_clear(Readiness *r) {
    end(r);
    Py_CLEAR(r->sock);
    return 0;
}

static int readiness_traverse(Readiness *r, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(r));
    Py_VISIT(r->loop);
    Py_VISIT(r->iterator);
    Py_VISIT(r->handle);
    Py_VISIT(r->sock);
    return 0;
}

static PyType_Slot slots[] = {{Py_tp_doc, "A wait for a descriptor, and what a call of a socket's method does then."},
                              {Py_tp_dealloc, object_dealloc},
                              {Py_tp_traverse, readiness_traverse},
                              {Py_tp_clear, readiness_clear},
                              {Py_tp_iter, PyObject_SelfIter},
                              {Py_tp_iternext, readiness_next},
                              {Py_am_await, PyObject_SelfIter},
                              {Py_am_send, readiness_send},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._Readiness", sizeof(Readiness), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int readiness_setup(PyObject *module) {
    State *state = state_of(module);
    if (!(state->wake = PyCFunction_New(&wake_method, module))) return -1;
    return (state->types.Readiness = new_type(module, &spec, NULL)) ? 0 : -1;
}
