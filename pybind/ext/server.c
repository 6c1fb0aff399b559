/* Listening sockets. What they accept is in accept.c. */
#include "core.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

PyTypeObject *Listener_Type;

/* Whether an address leaves open which interface a connection came to. */
static bool is_wildcard(const uint8_t *addr, socklen_t len) {
    if (len < sizeof(struct sockaddr_in)) return true;
    if (((const struct sockaddr *)addr)->sa_family == AF_INET) {
        struct sockaddr_in a;
        memcpy(&a, addr, sizeof a);
        return a.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    if (((const struct sockaddr *)addr)->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 a;
        memcpy(&a, addr, sizeof a);
        return IN6_IS_ADDR_UNSPECIFIED(&a.sin6_addr);
    }
    return true;
}

/* _listen(fd, sock, factory, server, attach_takes_transport, backlog, family, type, proto, handshakes, context) */
PyObject *loop_listen(LoopObject *loop, PyObject *args) {
    int fd, takes_transport, backlog, family, type, proto, handshakes;
    PyObject *sock, *factory, *server, *context;
    if (!PyArg_ParseTuple(args, "iOOOpiiiipO", &fd, &sock, &factory, &server, &takes_transport, &backlog, &family, &type,
                          &proto, &handshakes, &context))
        return NULL;
    if (engine_usable(loop) < 0) return NULL;
    if (fd < 0) {
        PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %d", fd);
        return NULL;
    }
    FdEntry *e = fd_entry(loop, fd);
    if (!e) return NULL;
    if (e->kind != FD_FREE && fd_vacate(loop, fd, FOR_OWNER) < 0) return NULL;
    ListenerObject *l = PyObject_GC_New(ListenerObject, Listener_Type);
    if (!l) return NULL;
    memset((char *)l + sizeof(PyObject), 0, sizeof *l - sizeof(PyObject));
    l->factory = Py_NewRef(factory);
    l->server = Py_NewRef(server);
    l->sock = Py_NewRef(sock);
    l->family = family;
    l->type = type;
    l->proto = proto;
    l->attach_takes_transport = takes_transport;
    l->handshakes = handshakes;
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    bool named = getsockname(fd, (struct sockaddr *)&local, &length) == 0;
    if (named && length <= sizeof l->local) memcpy(l->local, &local, l->local_len = length);
    l->local_known = (family == AF_INET || family == AF_INET6) && l->local_len && !is_wildcard(l->local, l->local_len);
    if (named && family == AF_UNIX) l->sockname = sockaddr_to_python(&local, length);
    if (!PyErr_Occurred()) l->context = context != Py_None ? Py_NewRef(context) : PyContext_CopyCurrent();
    PyObject_GC_Track(l);
    if (!l->context) {
        Py_DECREF(l);
        return NULL;
    }
    e = fd_entry(loop, fd);
    e->kind = FD_LISTENER;
    e->gen++;
    e->owner = (PyObject *)l;
    gl_sqe s = {.op = GL_OP_LISTEN, .fd = fd, .gen = e->gen, .len = backlog};
    int error = submit_one(loop, &s);
    if (error) {
        fd_release(loop, fd);
        if (error > 0) {
            errno = error;
            PyErr_SetFromErrno(PyExc_OSError);
        }
        return NULL;
    }
    Py_RETURN_NONE;
}

/* _unlisten(sock) -> bool: whether the engine accepted for it. A socket that was closed
 * before is found all the same. */
PyObject *loop_unlisten(LoopObject *loop, PyObject *sock) {
    int fd = 0;
    while (fd < loop->fds_len &&
           (loop->fds[fd].kind != FD_LISTENER || ((ListenerObject *)loop->fds[fd].owner)->sock != sock))
        fd++;
    if (fd == loop->fds_len) Py_RETURN_FALSE;
    gl_sqe s = {.op = GL_OP_DETACH, .fd = fd, .gen = loop->fds[fd].gen};
    fd_release(loop, fd);
    if (loop->engine > 0 && loop->generation == process_generation && submit_one(loop, &s) < 0) return NULL;
    Py_RETURN_TRUE;
}

int on_accept_failed(LoopObject *loop, ListenerObject *l, gl_cqe *c) {
    PyObject *argv[4] = {(PyObject *)loop, l->sock, PyLong_FromLong(c->res), PyBool_FromLong(c->flags & 1)};
    PyObject *r = argv[2] ? PyObject_VectorcallMethod(names._accept_failed, argv, 4, NULL) : NULL;
    Py_XDECREF(argv[2]);
    Py_XDECREF(argv[3]);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

static int listener_traverse(ListenerObject *l, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(l));
    Py_VISIT(l->factory);
    Py_VISIT(l->server);
    Py_VISIT(l->sock);
    Py_VISIT(l->context);
    Py_VISIT(l->sockname);
    return 0;
}

static int listener_clear(ListenerObject *l) {
    Py_CLEAR(l->factory);
    Py_CLEAR(l->server);
    Py_CLEAR(l->sock);
    Py_CLEAR(l->context);
    Py_CLEAR(l->sockname);
    return 0;
}

static void listener_dealloc(ListenerObject *l) {
    PyTypeObject *type = Py_TYPE(l);
    PyObject_GC_UnTrack(l);
    listener_clear(l);
    PyObject_GC_Del(l);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, listener_dealloc}, {Py_tp_traverse, listener_traverse}, {Py_tp_clear, listener_clear}, {0, NULL}};
static PyType_Spec spec = {"goloop._core._Listener", sizeof(ListenerObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int server_setup(PyObject *module) {
    Listener_Type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    return Listener_Type ? 0 : -1;
}
