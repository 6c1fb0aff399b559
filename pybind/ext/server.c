/* Servers: their sockets in the loop's table. What they accept is in accept.c. */
#include "server.h"

#include "accept.h"
#include "descriptors.h"
#include "engine.h"
#include "errors.h"
#include "ring.h"

static int forget(LoopObject *loop, int fd) { return fd_detach(loop, fd, loop->fds[fd].gen); }

static PyObject *file(PyObject *owner) { return listener_part(owner, SOCK); }
static bool keeps(PyObject *owner, enum fd_claim claim) { (void)owner; (void)claim; return true; }
static void forgotten(PyObject *owner) { (void)owner; }
static int evict(LoopObject *loop, PyObject *owner, int fd, bool gone) { (void)owner; (void)gone; return forget(loop, fd); }

static int arrived(LoopObject *loop, PyObject *owner, gl_cqe *c) {
    if (c->kind == GL_ACCEPTED) return on_accepted(loop, owner, c);
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_accept_failed", "OiO", file(owner), (int)c->res,
                                            c->flags & 1 ? Py_True : Py_False));
}

static const FdOwner asks = {file, keeps, evict, forgotten, arrived};

/* _listen(fd, backlog, listener) */
PyObject *loop_listen(LoopObject *loop, PyObject *args) {
    int fd, backlog;
    PyObject *listener;
    if (!PyArg_ParseTuple(args, "iiO", &fd, &backlog, &listener) || engine_usable(loop) < 0) return NULL;
    if (!PyTuple_Check(listener) || PyTuple_GET_SIZE(listener) != LISTENER_PARTS) return PyErr_Format(PyExc_TypeError, "_listen()");
    if (fd < 0) return PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %d", fd);
    if (fd_give(loop, fd, FOR_OWNER, FD_LISTENER, listener, &asks, true) < 0) return NULL;
    Py_INCREF(listener);
    gl_sqe s = {.op = GL_OP_LISTEN, .fd = fd, .gen = loop->fds[fd].gen, .len = backlog};
    int rc = submit_or_raise(loop, &s);
    if (rc < 0) fd_release(loop, fd);
    return none_or_null(rc);
}

/* _unlisten(sock) -> bool: whether the engine accepted for it. A socket that was closed
 * before is found all the same. */
PyObject *loop_unlisten(LoopObject *loop, PyObject *sock) {
    int fd = 0;
    while (fd < loop->fds_len && (loop->fds[fd].kind != FD_LISTENER || file(loop->fds[fd].owner) != sock)) fd++;
    if (fd == loop->fds_len) Py_RETURN_FALSE;
    if (forget(loop, fd) < 0) return NULL;
    Py_RETURN_TRUE;
}
