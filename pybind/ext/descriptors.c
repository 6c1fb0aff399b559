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
#include "descriptors.h"

#include <fcntl.h>

#include "engine.h"
#include "errors.h"
#include "handle.h"
#include "ring.h"

FdEntry *fd_entry(LoopObject *loop, int fd) {
    if (fd >= loop->fds_len) {
        if (fcntl(fd, F_GETFD) < 0) return (void *)PyErr_SetFromErrno(PyExc_OSError); /* no table for a number that nobody has */
        int32_t n = loop->fds_len ? loop->fds_len : 64;
        while (n <= fd) n *= 2;
        FdEntry *fds = PyMem_Realloc(loop->fds, (size_t)n * sizeof *fds);
        if (!fds) return (void *)PyErr_NoMemory();
        memset(fds + loop->fds_len, 0, (size_t)(n - loop->fds_len) * sizeof *fds);
        loop->fds = fds;
        loop->fds_len = n;
    }
    return &loop->fds[fd];
}

PyObject *fd_new_owner(FdEntry *e) {
#ifdef Py_GIL_DISABLED
    if (!e->owned && e->weak) {
        PyObject *owner = NULL;
        if (PyWeakref_GetRef(e->weak, &owner) < 0) PyErr_Clear();
        return owner;
    }
#endif
    return Py_XNewRef(e->owner);
}

void fd_release(LoopObject *loop, int fd) {
    FdEntry *e = &loop->fds[fd];
    if (e->owner) e->asks->forgotten(e->owner);
    PyObject *gone[] = {e->owned ? e->owner : NULL, e->reader.handle, e->writer.handle, e->reader.file, e->writer.file,
#ifdef Py_GIL_DISABLED
                        e->weak,
#endif
    };
    *e = (FdEntry){.gen = e->gen + 1};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) Py_XDECREF(gone[i]);
}

int fd_detach(LoopObject *loop, int fd, uint32_t gen) {
    gl_sqe s = {.op = GL_OP_DETACH, .fd = fd, .gen = gen};
    if (!fd_lookup(loop, fd, gen)) return 0;
    int rc = loop->engine > 0 && loop_is_ours(loop) ? submit_one(loop, &s) : 0;
    fd_release(loop, fd);
    return rc < 0 ? -1 : 0;
}

/* Whether a number is still that of the file object that its owner was given. A closed
 * one has another (sockets: -1), or none, and says so. */
static bool is_its_own(LoopObject *loop, int fd, PyObject *file) {
    PyObject *number = PyObject_CallMethodNoArgs(file, loop->state->names.fileno);
    long n = number ? PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    if (n == -1) PyErr_Clear();
    return n == fd;
}

/* The owner of a number keeps it. gone: his file is closed, whatever he believes. */
static bool keeps(LoopObject *loop, int fd, enum fd_claim claim, bool *gone) {
    FdEntry *e = &loop->fds[fd];
    *gone = claim == NEW_NUMBER; /* the system has just given the number out */
    PyObject *owner = *gone ? NULL : fd_new_owner(e);
    if (!owner) return false;
    const FdOwner *asks = e->asks;
    PyObject *file = Py_XNewRef(asks->file(owner));
    if (file) *gone = !is_its_own(loop, fd, file);
    bool keeps = !*gone && asks->keeps(owner, claim);
    Py_XDECREF(file);
    Py_DECREF(owner);
    return keeps;
}

bool fd_is_used(LoopObject *loop, int fd, enum fd_claim claim) {
    FdEntry *e = fd_known(loop, fd);
    bool gone;
    return e && e->owner && keeps(loop, fd, claim, &gone);
}

static int forget_watched(LoopObject *loop, int fd) {
    FdEntry *e = &loop->fds[fd];
    PyObject *handles[2] = {Py_XNewRef(e->reader.handle), Py_XNewRef(e->writer.handle)};
    int rc = 0;
    fd_release(loop, fd);
    for (int i = 0; i < 2; i++) {
        if (handles[i] && handle_cancel_fields(handles[i], loop) < 0) rc = -1;
        Py_XDECREF(handles[i]);
    }
    return rc;
}

/* Makes a number free for its next owner, or raises RuntimeError when it is in use. The
 * table may have moved when it returns, and Python code may have run. */
int fd_vacate(LoopObject *loop, int fd, enum fd_claim claim) {
    FdEntry *e = fd_known(loop, fd);
    if (!e || e->kind == FD_FREE) return 0;
    if (e->kind == FD_WATCHED) return forget_watched(loop, fd); /* its user forgot it, or gives the file away */
    bool gone;
    uint32_t gen = e->gen;
    if (keeps(loop, fd, claim, &gone))
        return steal_result(PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R", fd, loop->fds[fd].owner));
    e = fd_lookup(loop, fd, gen);
    PyObject *owner = e ? fd_new_owner(e) : NULL;
    if (!owner) return 0;
    int rc = e->asks->evict(loop, owner, fd, gone);
    Py_DECREF(owner);
    return rc;
}

int fd_give(LoopObject *loop, int fd, enum fd_claim claim, enum fd_kind kind, PyObject *owner, const FdOwner *asks, bool owned) {
    FdEntry *e = fd_entry(loop, fd);
    if (!e || (e->kind != FD_FREE && fd_vacate(loop, fd, claim) < 0)) return -1;
    e = &loop->fds[fd]; /* the table may have moved */
#ifdef Py_GIL_DISABLED
    if (!owned && !(e->weak = PyWeakref_NewRef(owner, NULL))) return -1;
#endif
    e->kind = (uint8_t)kind;
    e->gen++;
    e->owner = owner;
    e->asks = asks;
    e->owned = owned;
    return 0;
}

void fds_clear(LoopObject *loop) {
    for (int fd = 0; fd < loop->fds_len; fd++)
        if (loop->fds[fd].kind != FD_FREE) fd_release(loop, fd);
}

int fds_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (int i = 0; i < loop->fds_len; i++) {
        FdEntry *e = &loop->fds[i];
        if (e->owned) Py_VISIT(e->owner);
#ifdef Py_GIL_DISABLED
        Py_VISIT(e->weak);
#endif
        Py_VISIT(e->reader.handle);
        Py_VISIT(e->writer.handle);
        Py_VISIT(e->reader.file);
        Py_VISIT(e->writer.file);
    }
    return 0;
}
