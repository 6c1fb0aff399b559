/* Servers: their sockets in the loop's table. What they accept is in accept.c. */
#include "server.h"

#include "accept.h"
#include "descriptors.h"
#include "engine.h"
#include "errors.h"
#include "ring.h"

static int forget(LoopObject *loop, int fd) {
    gl_sqe s = {.op = GL_OP_DETACH, .fd = fd, .gen = loop->fds[fd].gen};
    fd_release(loop, fd);
    return loop->engine > 0 && loop_is_ours(loop) && submit_one(loop, &s) < 0 ? -1 : 0;
}

static PyObject *file(PyObject *owner) { return ((ListenerObject *)owner)->sock; }
static bool keeps(PyObject *owner, enum fd_claim claim) { (void)owner; (void)claim; return true; }
static void forgotten(PyObject *owner) { (void)owner; }
static int evict(PyObject *owner, int fd, bool gone) { (void)gone; return forget(((ListenerObject *)owner)->loop, fd); }

static int on_accept_failed(LoopObject *loop, ListenerObject *l, gl_cqe *c) {
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_accept_failed", "OiO", l->sock, (int)c->res,
                                            c->flags & 1 ? Py_True : Py_False));
}

static int arrived(LoopObject *loop, PyObject *owner, gl_cqe *c) {
    ListenerObject *l = (ListenerObject *)owner;
    return c->kind == GL_ACCEPTED ? on_accepted(loop, l, c) : on_accept_failed(loop, l, c);
}

static const FdOwner asks = {file, keeps, evict, forgotten, arrived};

/* _listen(fd, sock, factory, server, attach_takes_transport, backlog, family, type, proto, sockname, handshakes, context):
 * sockname: what its connections have, or None. */
PyObject *loop_listen(LoopObject *loop, PyObject *args) {
    int fd, takes_transport, backlog, family, type, proto, handshakes;
    PyObject *sock, *factory, *server, *sockname, *context;
    if (!PyArg_ParseTuple(args, "iOOOpiiiiOpO", &fd, &sock, &factory, &server, &takes_transport, &backlog, &family, &type,
                          &proto, &sockname, &handshakes, &context))
        return NULL;
    if (engine_usable(loop) < 0) return NULL;
    if (fd < 0) return PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %d", fd);
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return NULL;
    if (e->kind != FD_FREE && fd_vacate(loop, fd, FOR_OWNER) < 0) return NULL;
    ListenerObject *l = new_listener(loop);
    if (!l) return NULL;
    l->factory = Py_NewRef(factory);
    l->server = Py_NewRef(server);
    l->sock = Py_NewRef(sock);
    l->family = family;
    l->type = type;
    l->proto = proto;
    l->attach_takes_transport = takes_transport;
    l->handshakes = handshakes;
    l->sockname = sockname == Py_None ? NULL : Py_NewRef(sockname);
    l->context = Py_NewRef(context);
    PyObject_GC_Track(l);
    if (fd_give(loop, fd, FD_LISTENER, (PyObject *)l, &asks, true) < 0) {
        Py_DECREF(l);
        return NULL;
    }
    e = &loop->fds[fd];
    gl_sqe s = {.op = GL_OP_LISTEN, .fd = fd, .gen = e->gen, .len = backlog};
    int rc = submit_or_raise(loop, &s);
    if (rc < 0) fd_release(loop, fd);
    return none_or_null(rc);
}

/* _unlisten(sock) -> bool: whether the engine accepted for it. A socket that was closed
 * before is found all the same. */
PyObject *loop_unlisten(LoopObject *loop, PyObject *sock) {
    int fd = 0;
    while (fd < loop->fds_len &&
           (loop->fds[fd].kind != FD_LISTENER || ((ListenerObject *)loop->fds[fd].owner)->sock != sock))
        fd++;
    if (fd == loop->fds_len) Py_RETURN_FALSE;
    if (forget(loop, fd) < 0) return NULL;
    Py_RETURN_TRUE;
}
