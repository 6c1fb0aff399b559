/* The loop's table of descriptors, by number: who owns a number, and until when.
 *
 * A number is its owner's until he closes it, and the system gives it to another in
 * the same turn. What is on its way out then, or has lost its file, makes room:
 *
 *   free ──▶ watched ──▶ anything
 *   free ──▶ transport, listener ──open, its number its own──▶ refuses (RuntimeError)
 *                                ──its file object closed──▶ anything; connection_lost(EBADF)
 *                                ──closing, nothing queued──▶ anything
 *                                ──closing, bytes queued──▶ another transport or listener
 *
 * gen is a new one each time, so nothing that was on its way to one owner reaches the next. */
#include "core.h"

#include <fcntl.h>

FdEntry *fd_entry(LoopObject *loop, int fd) {
    if (fd >= loop->fds_len) {
        if (fcntl(fd, F_GETFD) < 0) { /* no table for a number that nobody has */
            PyErr_SetFromErrno(PyExc_OSError);
            return NULL;
        }
        int32_t n = loop->fds_len ? loop->fds_len : 64;
        while (n <= fd) n *= 2;
        FdEntry *fds = PyMem_Realloc(loop->fds, (size_t)n * sizeof *fds);
        if (!fds) {
            PyErr_NoMemory();
            return NULL;
        }
        memset(fds + loop->fds_len, 0, (size_t)(n - loop->fds_len) * sizeof *fds);
        loop->fds = fds;
        loop->fds_len = n;
    }
    return &loop->fds[fd];
}

void fd_release(LoopObject *loop, int fd) {
    FdEntry *e = &loop->fds[fd];
    PyObject *owner = e->owner, *reader = e->reader, *writer = e->writer;
    PyObject *reader_file = e->reader_file, *writer_file = e->writer_file;
    if (is_transport(e->kind)) {
        TransportObject *t = TRANSPORT(owner);
        if (!t->pinned) owner = NULL;
        t->pinned = t->attached = false;
    }
    e->kind = FD_FREE;
    e->gen++;
    e->owner = e->reader = e->writer = e->reader_file = e->writer_file = NULL;
    Py_XDECREF(owner);
    Py_XDECREF(reader);
    Py_XDECREF(writer);
    Py_XDECREF(reader_file);
    Py_XDECREF(writer_file);
}

/* Whether a number is still that of the file object that its owner was given. A closed
 * one has another (sockets: -1), or none, and says so. */
static bool is_its_own(int fd, PyObject *file) {
    PyObject *number = PyObject_CallMethodNoArgs(file, names.fileno);
    long n = number ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    if (n == -1) PyErr_Clear();
    return n == fd;
}

/* The owner of a number keeps it: it is open, or has bytes to send that a watch would
 * keep from leaving. gone: his file is closed, whatever he believes. */
static bool keeps(FdEntry *e, int fd, enum fd_claim claim, bool *gone) {
    *gone = claim == NEW_NUMBER; /* the system has just given the number out */
    if (*gone) return false;
    PyObject *owner = Py_NewRef(e->owner);
    bool transport = is_transport(e->kind), keeps = true;
    PyObject *file = transport ? TRANSPORT(owner)->sock : ((ListenerObject *)owner)->sock;
    if (file && !(transport && TRANSPORT(owner)->duplicate)) {
        Py_INCREF(file);
        *gone = !is_its_own(fd, file);
        Py_DECREF(file);
    }
    if (*gone)
        keeps = false;
    else if (transport)
        keeps = !TRANSPORT(owner)->closing || (claim == FOR_WATCH && TRANSPORT(owner)->buffered > 0);
    Py_DECREF(owner);
    return keeps;
}

bool fd_is_used(LoopObject *loop, int fd, enum fd_claim claim) {
    FdEntry *e = fd < loop->fds_len ? &loop->fds[fd] : NULL;
    bool gone;
    return e && e->kind != FD_FREE && e->kind != FD_WATCHED && keeps(e, fd, claim, &gone);
}

static int forget_listener(LoopObject *loop, int fd) {
    gl_sqe s = {.op = GL_OP_DETACH, .fd = fd, .gen = loop->fds[fd].gen};
    fd_release(loop, fd);
    return submit_one(loop, &s) < 0 ? -1 : 0;
}

/* Makes a number free for its next owner, or raises RuntimeError when it is in use. The
 * table may have moved when it returns, and Python code may have run. */
int fd_vacate(LoopObject *loop, int fd, enum fd_claim claim) {
    FdEntry *e = fd < loop->fds_len ? &loop->fds[fd] : NULL;
    if (!e || e->kind == FD_FREE) return 0;
    if (e->kind == FD_WATCHED) { /* its user forgot it, or gives the file away */
        PyObject *handles[2] = {Py_XNewRef(e->reader), Py_XNewRef(e->writer)};
        int rc = 0;
        fd_release(loop, fd);
        for (int i = 0; i < 2; i++) {
            if (handles[i] && handle_cancel_fields((HandleObject *)handles[i]) < 0) rc = -1;
            Py_XDECREF(handles[i]);
        }
        return rc;
    }
    bool gone;
    uint32_t gen = e->gen;
    if (keeps(e, fd, claim, &gone)) {
        PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R", fd, loop->fds[fd].owner);
        return -1;
    }
    e = fd_lookup(loop, fd, gen);
    if (!e) return 0;
    if (e->kind == FD_LISTENER) return forget_listener(loop, fd);
    PyObject *owner = Py_NewRef(e->owner);
    int rc = transport_evict(TRANSPORT(owner), gone);
    Py_DECREF(owner);
    return rc;
}
