/* Descriptors that callbacks watch. They ask the engine at once, so that a bad
 * descriptor raises where it is given. */
#include "watch.h"

#include "call.h"
#include "descriptors.h"
#include "engine.h"
#include "errors.h"
#include "handle.h"
#include "ring.h"

/* The descriptor of an int or of what has fileno(), or -1 with the ValueError
 * that Python's selectors raise. */
int descriptor_of(LoopObject *loop, PyObject *file) {
    int overflow = 0;
    long fd = PyLong_Check(file) ? PyLong_AsLongAndOverflow(file, &overflow) : -1;
    if (fd < 0 && overflow <= 0) {
        PyObject *number = PyObject_CallOneArg(loop->state->imports.fileobj_to_fd, file);
        if (number) fd = PyLong_AsLongAndOverflow(number, &overflow);
        Py_XDECREF(number);
        if (!number || (fd == -1 && PyErr_Occurred())) return -1;
    }
    if (overflow <= 0 && fd < INT32_MAX) return (int)fd;
    return raise_text(PyExc_OverflowError, "Python int too large to convert to C int");
}

/* Asks the engine to watch an entry for the handles it has, of which one direction may have begun (0: neither). replaced: the
 * number names another file than the one that was watched before, and only that direction is watched. */
static int rewatch(LoopObject *loop, int fd, FdEntry *e, int begins, bool *replaced) {
    gl_sqe s = {.op = GL_OP_WATCH, .fd = fd, .gen = e->gen, .len = begins};
    s.flags = (uint16_t)((e->reader.handle ? GL_READ : 0) | (e->writer.handle ? GL_WRITE : 0));
    int error = submit_one(loop, &s);
    if (replaced) *replaced = s.flags & GL_WATCH_REPLACED;
    return error;
}

static Watch *watch_of(FdEntry *e, bool writer) { return writer ? &e->writer : &e->reader; }

static Watch steal_watch(FdEntry *e, bool writer) {
    Watch watch = *watch_of(e, writer);
    *watch_of(e, writer) = (Watch){NULL, NULL};
    return watch;
}

/* Lets go of a stolen one, the file last, for it may run anything. cancels: its callback is not called any more. */
static int watch_drop(Watch watch, bool cancels) {
    int rc = cancels && watch.handle ? steal_result(PyObject_CallMethod(watch.handle, "cancel", NULL)) : 0;
    Py_XDECREF(watch.handle);
    Py_XDECREF(watch.file);
    return rc;
}

/* The submission that ended gen's watch, or what has become of it; NULL: it has been handed over. */
static gl_sqe *end_of(LoopObject *loop, int fd, const FdEntry *e, uint32_t gen) {
    gl_sqe *s = e->ended && e->ended <= loop->sq_len ? &loop->shared.sqs[loop->sq_now][e->ended - 1] : NULL;
    return s && s->op == GL_OP_WATCH && s->fd == fd && s->gen == gen ? s : NULL;
}

/* A wait for which another has just ended takes its place, in the table and in what the engine hears, which asks the system when it
 * sees fit. false: it is to begin. */
bool watch_renew(LoopObject *loop, int fd, PyObject *handle, bool writer) {
    FdEntry *e = fd_known(loop, fd);
    gl_sqe *end = e && e->kind == FD_FREE ? end_of(loop, fd, e, e->gen - 1) : NULL;
    if (!end || end->len != (writer ? GL_WRITE : GL_READ)) return false;
    end->flags = (uint16_t)end->len | GL_WATCH_RENEWS;
    e->kind = FD_WATCHED;
    e->gen--;
    *watch_of(e, writer) = (Watch){Py_NewRef(handle), NULL};
    return true;
}

/* Makes handle the reader or writer of fd instead of the one that there is, and
 * takes a reference to it; file: what the user gave instead of the number, or NULL. Each
 * begin is a generation of its own and asks the system: the number may have been closed and
 * given out again since the last, and what still comes for that one is not for this handle.
 * Where the system says so, the other direction's handle is a dead file's and goes. */
int watch_begin(LoopObject *loop, int fd, PyObject *file, PyObject *handle, bool writer) {
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return -1;
    if (e->kind != FD_FREE && e->kind != FD_WATCHED) {
        if (fd_vacate(loop, fd, FOR_WATCH) < 0 || !(e = fd_entry(loop, fd))) return -1;
    }
    int begins = end_of(loop, fd, e, e->gen) ? GL_READ | GL_WRITE : writer ? GL_WRITE : GL_READ; /* renewed in this turn: as new */
    e->kind = FD_WATCHED;
    e->gen++;
    Watch old = steal_watch(e, writer), dead = {NULL, NULL};
    *watch_of(e, writer) = (Watch){Py_NewRef(handle), Py_XNewRef(file)};
    bool replaced;
    int error = rewatch(loop, fd, e, begins, &replaced);
    if (replaced) dead = steal_watch(e, !writer);
    if (error) fd_release(loop, fd);
    if (error > 0) raise_errno(error);
    int rc = old.handle ? watch_drop(old, !error) : 0;
    if (replaced && watch_drop(dead, !error) < 0) rc = -1;
    return error ? -1 : rc;
}

/* Ends the watch of handle, if it is still the reader or writer of fd. Returns
 * whether it was, or -1 with an exception. That nothing is asked
 * about any more the engine hears before it looks again: in vain, if another wait has begun by then. */
int watch_end(LoopObject *loop, int fd, PyObject *handle, bool writer) {
    if (loop->closed || loop->engine <= 0 || !loop_is_ours(loop) || fd >= loop->fds_len) return 0;
    FdEntry *e = &loop->fds[fd];
    if (e->kind != FD_WATCHED || watch_of(e, writer)->handle != handle) return 0;
    Watch ended = steal_watch(e, writer);
    int rc = 1;
    if (e->reader.handle || e->writer.handle) {
        if (rewatch(loop, fd, e, 0, NULL) < 0) rc = -1;
    } else {
        bool renewable = e->ended != NOT_RENEWED;
        gl_sqe *s = new_sqe(loop, GL_OP_WATCH, fd, e->gen);
        fd_release(loop, fd);
        if (!s) {
            rc = -1;
        } else if (renewable && loop->sq_len < NOT_RENEWED) {
            s->len = writer ? GL_WRITE : GL_READ;
            loop->fds[fd].ended = (uint16_t)loop->sq_len;
        }
    }
    Py_DECREF(handle);
    Py_XDECREF(ended.file);
    return rc;
}

/* _add_reader(fd, callback, *args, context=None) and _add_writer. */
static PyObject *add_watch(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames, bool writer) {
    const char *method = writer ? "BaseSelectorEventLoop._add_writer" : "BaseSelectorEventLoop._add_reader";
    Call c;
    if (take_call(&c, method, "fd", args, n, kwnames) < 0 || engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(loop, c.args[0]);
    if (fd < 0) return NULL;
    PyObject *file = PyLong_Check(c.args[0]) ? NULL : c.args[0];
    PyObject *handle = new_handle(loop, c.args[1], c.args + 2, c.n - 2, c.context);
    if (!handle || watch_begin(loop, fd, file, handle, writer) < 0) {
        Py_XDECREF(handle);
        return NULL;
    }
    return handle;
}

/* _remove_reader(fd) and _remove_writer: whether there was one. */
static PyObject *remove_watch(LoopObject *loop, PyObject *file, bool writer) {
    if (loop->closed || loop->engine <= 0) Py_RETURN_FALSE;
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(loop, file);
    if (fd < 0) {
        PyObject *exception = PyErr_GetRaisedException();
        return PyObject_CallMethod((PyObject *)loop, "_remove_lost", "NOO", exception, file, writer ? Py_True : Py_False);
    }
    FdEntry *e = fd_known(loop, fd);
    if (!e || e->kind != FD_WATCHED || !watch_of(e, writer)->handle) Py_RETURN_FALSE;
    Watch old = steal_watch(e, writer);
    int error = rewatch(loop, fd, e, 0, NULL);
    if (!e->reader.handle && !e->writer.handle) fd_release(loop, fd);
    if (watch_drop(old, true) < 0 || error < 0) return NULL;
    Py_RETURN_TRUE;
}

static PyObject *or_none(PyObject *o) { return o ? o : Py_None; }

/* _watched() -> list: (descriptor, reader's handle or None, writer's, reader's file or None, writer's). */
PyObject *loop_watched(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    PyObject *all = PyList_New(0);
    for (int fd = 0; all && fd < loop->fds_len; fd++) {
        FdEntry *e = &loop->fds[fd];
        if (e->kind != FD_WATCHED) continue;
        PyObject *one = Py_BuildValue("(iOOOO)", fd, or_none(e->reader.handle), or_none(e->writer.handle), or_none(e->reader.file),
                                      or_none(e->writer.file));
        if (!one || PyList_Append(all, one) < 0) Py_CLEAR(all);
        Py_XDECREF(one);
    }
    return all;
}

/* _fd_has_transport(fd): the transport that uses it, or None. Pipes do not count, nor
 * do they in asyncio: their file may be closed by others, and its number be new. */
PyObject *loop_fd_has_transport(LoopObject *loop, PyObject *file) {
    int fd = descriptor_of(loop, file);
    if (fd < 0) { /* of an impossible number add_reader itself complains, once the loop is known to be open */
        if (!PyErr_ExceptionMatches(PyExc_OverflowError) && !PyErr_ExceptionMatches(PyExc_ValueError)) return NULL;
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    FdEntry *e = fd_known(loop, fd);
    if (!e || e->kind != FD_TRANSPORT) Py_RETURN_NONE;
    PyObject *owner = fd_new_owner(e);
    if (owner && (Py_IS_TYPE(owner, loop->state->types.ReadPipe) || Py_IS_TYPE(owner, loop->state->types.WritePipe) ||
                  !fd_is_used(loop, fd, FOR_OWNER)))
        Py_CLEAR(owner);
    return owner ? owner : Py_NewRef(Py_None);
}

PyObject *method_add_reader(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    return add_watch(loop, args, n, kwnames, false);
}
PyObject *method_add_writer(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    return add_watch(loop, args, n, kwnames, true);
}
PyObject *method_remove_reader(LoopObject *loop, PyObject *file) { return remove_watch(loop, file, false); }
PyObject *method_remove_writer(LoopObject *loop, PyObject *file) { return remove_watch(loop, file, true); }
