/* sock_recv, sock_recv_into and sock_sendall of a plain socket: recv(2) and send(2) by its descriptor,
 * without an exception for what would block, and without a frame for each time that it does.
 *
 * Only for the standard library's own socket.socket that never blocks, and not in debug mode: all others have
 * methods, timeouts and checks that Python asks for. As there, the coroutine itself makes each attempt, after
 * it has been woken, on the descriptor that the socket has then. */
#include "attempt.h"

#include <errno.h>
#include <sys/socket.h>

#include "engine.h"
#include "errors.h"
#include "named.h"
#include "plain.h"
#include "readiness.h"
#include "watch.h"

typedef enum { RECEIVE, RECEIVE_INTO, SEND, NOTHING } Kind; /* NOTHING: the caller makes it, and only waits here */

/* From here on the GIL is let go for the time that the kernel copies. */
enum { LONG = 64 << 10 };

/* Also what an Attempt waits for. */
typedef struct {
    Kind kind;
    PyObject *sock;  /* exactly socket.socket, and plain; NULL: it has ended, or there is nothing to attempt */
    PyObject *into;  /* RECEIVE_INTO: has a buffer, which is asked for in each attempt */
    Py_buffer data;  /* SEND */
    Py_ssize_t size; /* RECEIVE: at most; SEND: how much has been sent */
} What;

typedef struct AttemptObject {
    PyObject_HEAD
    What what;
    Readiness wait;
} AttemptObject;

static int never_blocks(State *state, PyObject *sock) {
    PyObject *timeout = PyObject_Vectorcall(state->plain.gettimeout, &sock, 1, NULL);
    if (!timeout) return -1;
    int rc = PyFloat_Check(timeout) && PyFloat_AS_DOUBLE(timeout) == 0.0;
    Py_DECREF(timeout);
    return rc;
}

static ssize_t transfer(int fd, Kind kind, char *p, Py_ssize_t n) {
    return kind == SEND ? send(fd, p, (size_t)n, MSG_DONTWAIT) : recv(fd, p, (size_t)n, MSG_DONTWAIT);
}

/* How many bytes; -1: it would block; -2 with an exception. */
static Py_ssize_t move(int fd, Kind kind, char *p, Py_ssize_t n) {
    for (;;) {
        Py_ssize_t done;
        int error;
        if (n < LONG) {
            done = transfer(fd, kind, p, n);
            error = errno;
        } else {
            Py_BEGIN_ALLOW_THREADS
            done = transfer(fd, kind, p, n);
            error = errno;
            Py_END_ALLOW_THREADS
        }
        if (done >= 0) return done;
        if (error == EAGAIN || error == EWOULDBLOCK) return -1;
        if (error != EINTR) {
            raise_errno(error);
            return -2;
        }
        if (PyErr_CheckSignals() < 0) return -2;
    }
}

/* 1: done; 0: it would block; -1 with an exception. */
static int receive(What *what, int fd, PyObject **result) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, what->size);
    if (!bytes) return -1;
    Py_ssize_t n = move(fd, RECEIVE, PyBytes_AS_STRING(bytes), what->size);
    if (n < 0) {
        Py_DECREF(bytes);
        return n == -1 ? 0 : -1;
    }
    if (n < what->size && _PyBytes_Resize(&bytes, n) < 0) return -1;
    *result = bytes;
    return 1;
}

static int receive_into(What *what, int fd, PyObject **result) {
    Py_buffer buffer;
    if (PyObject_GetBuffer(what->into, &buffer, PyBUF_WRITABLE) < 0) return -1;
    Py_ssize_t n = move(fd, RECEIVE_INTO, buffer.buf, buffer.len);
    PyBuffer_Release(&buffer);
    if (n < 0) return n == -1 ? 0 : -1;
    return (*result = PyLong_FromSsize_t(n)) ? 1 : -1;
}

static int send_rest(What *what, int fd, PyObject **result) {
    Py_ssize_t n = move(fd, SEND, (char *)what->data.buf + what->size, what->data.len - what->size);
    if (n == -2) return -1;
    if (n > 0) what->size += n;
    if (what->size < what->data.len) return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

static int (*const attempts[])(What *what, int fd, PyObject **result) = {receive, receive_into, send_rest};

static void what_clear(What *what) {
    Py_CLEAR(what->sock);
    Py_CLEAR(what->into);
    PyBuffer_Release(&what->data);
}

/* Whether a call is for us: 1, 0, or -1 with an exception. */
static int is_ours(LoopObject *loop, PyObject *sock) {
    State *state = loop->state;
    if (loop->debug || !Py_IS_TYPE(sock, (PyTypeObject *)state->imports.socket) || !sockets_are_plain(state)) return 0;
    return never_blocks(state, sock);
}

/* What awaits the descriptor, and then makes the attempt. */
static inline PyObject *new_attempt(LoopObject *loop, What *what, int fd, bool writer) {
    if (engine_usable(loop) < 0) return NULL;
    PyTypeObject *type = loop->state->types.Attempt;
    AttemptObject *self = (AttemptObject *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->what = *what;
    Py_XINCREF(what->sock);
    Py_XINCREF(what->into);
    what->data.obj = NULL; /* it is the attempt's */
    if (readiness_begin(&self->wait, loop, fd, writer) < 0) Py_CLEAR(self);
    return (PyObject *)self;
}

/* Makes the first attempt. Returns what it gave, or what to await; SEND: True, or what to await. */
static PyObject *begin(LoopObject *loop, What *what) {
    PyObject *result = NULL;
    int fd = number_of_socket(loop->state, what->sock);
    if (fd == -1 && PyErr_Occurred()) return NULL;
    int done = attempts[what->kind](what, fd, &result);
    if (done) return done > 0 ? result : NULL;
    return new_attempt(loop, what, fd, what->kind == SEND);
}

/* _receive(sock, n): bytes, what to await, or None: it is not for us. */
PyObject *method_receive(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_receive(sock, n)", n, 2) < 0) return NULL;
    if (!PyLong_CheckExact(args[1])) Py_RETURN_NONE;
    What what = {.kind = RECEIVE, .sock = args[0], .size = PyLong_AsSsize_t(args[1])};
    if (what.size == -1 && PyErr_Occurred()) PyErr_Clear();
    int ours = what.size > 0 ? is_ours(loop, args[0]) : 0;
    return ours > 0 ? begin(loop, &what) : none_or_null(ours);
}

/* _receive_into(sock, buffer): how many bytes, what to await, or None: it is not for us. */
PyObject *method_receive_into(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_receive_into(sock, buffer)", n, 2) < 0) return NULL;
    int ours = is_ours(loop, args[0]);
    if (ours <= 0) return none_or_null(ours);
    Py_buffer buffer;
    if (PyObject_GetBuffer(args[1], &buffer, PyBUF_WRITABLE) < 0) {
        PyErr_Clear(); /* the socket's own method has words for it */
        Py_RETURN_NONE;
    }
    bool any = buffer.len > 0;
    PyBuffer_Release(&buffer);
    What what = {.kind = RECEIVE_INTO, .sock = args[0], .into = args[1]};
    return any ? begin(loop, &what) : Py_NewRef(Py_None);
}

/* _send(sock, data): True when all has been sent, what to await, or None: it is not for us. */
PyObject *method_send(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_send(sock, data)", n, 2) < 0) return NULL;
    int ours = is_ours(loop, args[0]);
    if (ours <= 0) return none_or_null(ours);
    What what = {.kind = SEND, .sock = args[0]};
    if (PyObject_GetBuffer(args[1], &what.data, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    PyObject *result = begin(loop, &what);
    PyBuffer_Release(&what.data);
    if (result == Py_None) Py_SETREF(result, Py_NewRef(Py_True));
    return result;
}

/* loop._readable(fd), loop._writable(fd): what to await. */
static PyObject *new_wait(LoopObject *loop, PyObject *number, bool writer) {
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(loop, number);
    if (fd < 0) return NULL;
    return new_attempt(loop, &(What){.kind = NOTHING}, fd, writer);
}

PyObject *method_readable(LoopObject *loop, PyObject *fd) { return new_wait(loop, fd, false); }
PyObject *method_writable(LoopObject *loop, PyObject *fd) { return new_wait(loop, fd, true); }

/* ---- the awaitable ---- */

/* Another attempt, or the next wait. 1: done; 0: it waits; -1 with an exception. */
static int again(AttemptObject *self, LoopObject *loop, PyObject **result) {
    What *what = &self->what;
    if (!what->sock) { /* it has ended */
        return raise_text(PyExc_RuntimeError, "cannot reuse an awaited call");
    }
    int fd = number_of_socket(loop->state, what->sock);
    if (fd == -1 && PyErr_Occurred()) return -1;
    int done = attempts[what->kind](what, fd, result);
    if (done) {
        what_clear(what);
        return done;
    }
    int rc;
    GUARD(loop->guard)
    rc = engine_usable(loop) < 0 ? -1 : readiness_begin(&self->wait, loop, fd, what->kind == SEND);
    UNGUARD
    return rc;
}

static PySendResult attempt_send(AttemptObject *self, PyObject *ignored, PyObject **result) {
    (void)ignored;
    PySendResult sent;
    while ((sent = readiness_send(&self->wait, result)) == PYGEN_RETURN) {
        LoopObject *loop = (LoopObject *)Py_XNewRef(self->wait.loop);
        Py_CLEAR(*result);
        readiness_end(&self->wait);
        if (self->what.kind == NOTHING) {
            Py_XDECREF(loop);
            *result = Py_NewRef(Py_None);
            return PYGEN_RETURN;
        }
        int done = -1;
        if (loop)
            done = again(self, loop, result);
        else
            PyErr_SetString(PyExc_RuntimeError, "cannot reuse an awaited call");
        Py_XDECREF(loop);
        if (done) return done > 0 ? PYGEN_RETURN : PYGEN_ERROR;
    }
    return sent;
}

static PyObject *attempt_next(AttemptObject *self) {
    PyObject *result = NULL;
    PySendResult sent = attempt_send(self, Py_None, &result);
    if (sent != PYGEN_RETURN) return result;
    PyErr_SetObject(PyExc_StopIteration, result); /* neither a tuple nor an exception */
    Py_DECREF(result);
    return NULL;
}

/* The wait ends before the coroutine's own handlers run: its frame, which a traceback keeps, has us in a variable. */
static int attempt_clear(AttemptObject *self) {
    readiness_end(&self->wait);
    what_clear(&self->what);
    return 0;
}

static PyObject *attempt_throw(AttemptObject *self, PyObject *const *args, Py_ssize_t n) {
    attempt_clear(self);
    PyObject *type = n > 0 ? args[0] : Py_None, *value = n > 1 ? args[1] : NULL;
    if (PyExceptionInstance_Check(type)) {
        value = type;
        type = (PyObject *)Py_TYPE(value);
    }
    if (!PyExceptionClass_Check(type)) return PyErr_Format(PyExc_TypeError, "throw() wants an exception");
    if (n > 2 && args[2] != Py_None)
        PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), Py_NewRef(args[2]));
    else
        PyErr_SetObject(type, value); /* None: without arguments */
    return NULL;
}

static PyObject *attempt_close(AttemptObject *self, PyObject *ignored) {
    (void)ignored;
    attempt_clear(self);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {METHOD("throw", attempt_throw, METH_FASTCALL, NULL),
                                METHOD("close", attempt_close, METH_NOARGS, NULL),
                                {0}};

static int attempt_traverse(AttemptObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->what.sock);
    Py_VISIT(self->what.into);
    Py_VISIT(self->what.data.obj);
    return readiness_traverse(&self->wait, visit, arg);
}

static PyType_Slot slots[] = {{Py_tp_doc, "A call of a socket's method that waits until it can be made."},
                              {Py_tp_dealloc, object_dealloc},
                              {Py_tp_traverse, attempt_traverse},
                              {Py_tp_clear, attempt_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_iter, PyObject_SelfIter},
                              {Py_tp_iternext, attempt_next},
                              {Py_am_await, PyObject_SelfIter},
                              {Py_am_send, attempt_send},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._Attempt", sizeof(AttemptObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int attempt_setup(PyObject *module) {
    return (state_of(module)->types.Attempt = new_type(module, &spec, NULL)) ? 0 : -1;
}
