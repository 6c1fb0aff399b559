/* Descriptors that callbacks watch, and connects. Both ask the engine at once,
 * so that a bad descriptor raises where it is given. */
#include "core.h"

#include <errno.h>
#include <sys/socket.h>

/* The descriptor of an int or of what has fileno(), or -1 with the ValueError
 * that Python's selectors raise. */
static int descriptor_of(PyObject *file) {
    long fd;
    int overflow = 0;
    if (PyLong_Check(file)) {
        fd = PyLong_AsLongAndOverflow(file, &overflow);
        if (fd == -1 && PyErr_Occurred()) return -1;
    } else {
        PyObject *n = PyObject_CallMethodNoArgs(file, names.fileno);
        fd = n ? PyLong_AsLong(n) : -1;
        Py_XDECREF(n);
        if (fd == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_TypeError) &&
                !PyErr_ExceptionMatches(PyExc_ValueError))
                return -1;
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "Invalid file object: %R", file);
            return -1;
        }
    }
    if (overflow > 0 || fd >= INT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    if (fd < 0) {
        PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %ld", fd);
        return -1;
    }
    return (int)fd;
}

/* Asks the engine to watch an entry for the handles it has. */
static int rewatch(LoopObject *loop, int fd, FdEntry *e) {
    gl_sqe s = {.op = GL_OP_WATCH, .fd = fd, .gen = e->gen};
    s.flags = (uint16_t)((e->reader ? GL_READ : 0) | (e->writer ? GL_WRITE : 0));
    return submit_one(loop, &s);
}

static int busy(int fd, PyObject *owner) {
    PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R", fd, owner ? owner : Py_None);
    return -1;
}

static int cancel_and_drop(PyObject *handle) {
    if (!handle) return 0;
    PyObject *r = PyObject_CallMethod(handle, "cancel", NULL);
    Py_XDECREF(r);
    Py_DECREF(handle);
    return r ? 0 : -1;
}

/* _add_reader(fd, callback, *args, context=None) and _add_writer. */
PyObject *loop_add_watch(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames, bool writer) {
    PyObject *context;
    if (take_context(writer ? "BaseSelectorEventLoop._add_writer" : "BaseSelectorEventLoop._add_reader", args, n,
                     kwnames, &context) < 0)
        return NULL;
    if (n < 2) {
        PyErr_Format(PyExc_TypeError, "BaseSelectorEventLoop._add_%s() missing %d required positional argument%s",
                     writer ? "writer" : "reader", (int)(2 - n), n == 1 ? "" : "s");
        return NULL;
    }
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(args[0]);
    if (fd < 0) return NULL;
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return NULL;
    if (e->kind != FD_FREE && e->kind != FD_WATCHED) {
        busy(fd, e->owner);
        return NULL;
    }
    PyObject *handle = new_handle(loop, args[1], args + 2, n - 2, context);
    if (!handle) return NULL;
    e = fd_entry(loop, fd); /* creating an object may have run anything */
    if (e->kind == FD_FREE) {
        e->kind = FD_WATCHED;
        e->gen++;
    }
    PyObject **slot = writer ? &e->writer : &e->reader;
    PyObject *old = *slot;
    *slot = handle;
    if (!old) {
        int error = rewatch(loop, fd, e);
        if (error) {
            *slot = NULL;
            if (!e->reader && !e->writer) fd_release(loop, fd);
            Py_DECREF(handle);
            if (error > 0) {
                errno = error;
                PyErr_SetFromErrno(PyExc_OSError);
            }
            return NULL;
        }
    }
    Py_INCREF(handle);
    if (cancel_and_drop(old) < 0) {
        Py_DECREF(handle);
        return NULL;
    }
    return handle;
}

/* _remove_reader(fd) and _remove_writer: whether there was one. */
PyObject *loop_remove_watch(LoopObject *loop, PyObject *file, bool writer) {
    if (loop->closed || loop->engine <= 0) Py_RETURN_FALSE;
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(file);
    if (fd < 0) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return NULL;
        PyErr_Clear(); /* nobody can have added it */
        Py_RETURN_FALSE;
    }
    FdEntry *e = fd < loop->fds_len ? &loop->fds[fd] : NULL;
    if (!e || e->kind != FD_WATCHED) Py_RETURN_FALSE;
    PyObject **slot = writer ? &e->writer : &e->reader;
    PyObject *old = *slot;
    if (!old) Py_RETURN_FALSE;
    *slot = NULL;
    int error = rewatch(loop, fd, e);
    if (!e->reader && !e->writer) fd_release(loop, fd);
    if (cancel_and_drop(old) < 0 || error < 0) return NULL;
    Py_RETURN_TRUE;
}

/* _watched() -> dict: (reader's handle or None, writer's) by descriptor. */
PyObject *loop_watched(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    PyObject *all = PyDict_New();
    for (int fd = 0; all && fd < loop->fds_len; fd++) {
        FdEntry *e = &loop->fds[fd];
        if (e->kind != FD_WATCHED) continue;
        PyObject *number = PyLong_FromLong(fd);
        PyObject *handles = number ? PyTuple_Pack(2, e->reader ? e->reader : Py_None, e->writer ? e->writer : Py_None) : NULL;
        if (!handles || PyDict_SetItem(all, number, handles) < 0) Py_CLEAR(all);
        Py_XDECREF(handles);
        Py_XDECREF(number);
    }
    return all;
}

/* _fd_has_transport(fd): the transport that uses it, or None. Pipes do not count, nor
 * do they in asyncio: their file may be closed by others, and its number be new. */
PyObject *loop_fd_has_transport(LoopObject *loop, PyObject *file) {
    int fd = descriptor_of(file);
    if (fd < 0) { /* of an impossible number add_reader itself complains, once the loop is known to be open */
        if (!PyErr_ExceptionMatches(PyExc_OverflowError) && !PyErr_ExceptionMatches(PyExc_ValueError)) return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    FdEntry *e = fd < loop->fds_len ? &loop->fds[fd] : NULL;
    if (e && is_transport(e->kind) && !TRANSPORT(e->owner)->closing && !is_pipe(e->owner)) return Py_NewRef(e->owner);
    Py_RETURN_NONE;
}

/* _connect(fd, family, address, future) -> bool: False when the address is not
 * numeric, and the standard library's way has to be taken. The end comes to
 * loop._connect_done(future, errno). */
PyObject *loop_connect(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (n != 4) {
        PyErr_SetString(PyExc_TypeError, "_connect(fd, family, address, future)");
        return NULL;
    }
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(args[0]);
    long family = fd < 0 ? -1 : PyLong_AsLong(args[1]);
    if (PyErr_Occurred()) return NULL;
    struct sockaddr_storage addr;
    socklen_t len;
    int known = sockaddr_from_python(args[2], (int)family, &addr, &len);
    if (known < 0) return NULL;
    FdEntry *e = known ? fd_entry(loop, fd) : NULL;
    if (known && !e) return NULL;
    if (!known || e->kind != FD_FREE) Py_RETURN_FALSE;
    e->kind = FD_CONNECTING;
    e->gen++;
    e->owner = Py_NewRef(args[3]);
    gl_sqe s = {.op = GL_OP_CONNECT, .fd = fd, .gen = e->gen, .ptr = (uintptr_t)&addr, .len = len,
                .user = (uintptr_t)Py_NewRef(args[3])};
    if (loop->in_turn || submit_one(loop, &s) < 0) { /* addr lives on this stack */
        Py_DECREF(args[3]);
        fd_release(loop, fd);
        if (PyErr_Occurred()) return NULL;
        Py_RETURN_FALSE;
    }
    Py_RETURN_TRUE;
}

/* _connect_cancel(fd): forget a connect whose future is done without it. */
PyObject *loop_connect_cancel(LoopObject *loop, PyObject *file) {
    int fd = descriptor_of(file);
    if (fd < 0) return NULL;
    if (fd < loop->fds_len && loop->fds[fd].kind == FD_CONNECTING && engine_usable(loop) == 0) {
        gl_sqe s = {.op = GL_OP_DETACH, .fd = fd, .gen = loop->fds[fd].gen};
        int rc = submit_one(loop, &s);
        /* The engine gives the future's reference back only with CONNECTED. When
         * that is on its way already, rc is EBADF and dispatch lets go. */
        if (rc == 0) Py_DECREF(loop->fds[fd].owner);
        fd_release(loop, fd);
        if (rc < 0) return NULL;
    }
    PyErr_Clear();
    Py_RETURN_NONE;
}
