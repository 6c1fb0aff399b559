/* Descriptors that callbacks watch. They ask the engine at once, so that a bad
 * descriptor raises where it is given. */
#include "core.h"

#include <errno.h>

/* The descriptor of an int or of what has fileno(), or -1 with the ValueError
 * that Python's selectors raise. */
int descriptor_of(PyObject *file) {
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

/* Makes handle the reader or writer of fd instead of the one that there is, and
 * takes a reference to it. Each begin is a generation of its own and asks the
 * system: the number may have been closed and given out again since the last, and
 * what still comes for that one is not for this handle. */
int watch_begin(LoopObject *loop, int fd, PyObject *handle, bool writer) {
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return -1;
    if (e->kind != FD_FREE && e->kind != FD_WATCHED) return busy(fd, e->owner);
    e->kind = FD_WATCHED;
    e->gen++;
    PyObject **slot = writer ? &e->writer : &e->reader;
    PyObject *old = *slot;
    *slot = Py_NewRef(handle);
    int error = rewatch(loop, fd, e);
    if (error) {
        fd_release(loop, fd);
        Py_XDECREF(old);
        if (error > 0) {
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
        }
        return -1;
    }
    return cancel_and_drop(old);
}

/* Ends the watch of handle, if it is still the reader or writer of fd. Returns
 * whether it was, or -1 with an exception. */
int watch_end(LoopObject *loop, int fd, PyObject *handle, bool writer) {
    if (loop->closed || loop->engine <= 0 || loop->generation != process_generation || fd >= loop->fds_len) return 0;
    FdEntry *e = &loop->fds[fd];
    PyObject **slot = writer ? &e->writer : &e->reader;
    if (e->kind != FD_WATCHED || *slot != handle) return 0;
    *slot = NULL;
    int error = rewatch(loop, fd, e);
    if (!e->reader && !e->writer) fd_release(loop, fd);
    Py_DECREF(handle);
    return error < 0 ? -1 : 1;
}

/* _add_reader(fd, callback, *args, context=None) and _add_writer. */
PyObject *loop_add_watch(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames, bool writer) {
    const char *method = writer ? "BaseSelectorEventLoop._add_writer" : "BaseSelectorEventLoop._add_reader";
    Call c;
    if (take_call(&c, method, "fd", args, n, kwnames) < 0 || engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(c.args[0]);
    if (fd < 0) return NULL;
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return NULL;
    if (e->kind != FD_FREE && e->kind != FD_WATCHED) {
        busy(fd, e->owner);
        return NULL;
    }
    PyObject *handle = new_handle(loop, c.args[1], c.args + 2, c.n - 2, c.context);
    if (!handle || watch_begin(loop, fd, handle, writer) < 0) {
        Py_XDECREF(handle);
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
