/* StreamTransport: a connected TCP or Unix stream. Here its life and what Python
 * asks of it; its two directions are in stream_write.c and stream_read.c.
 *
 *   open ──close()──▶ closing ──queue empty──▶ conn_lost ──next turn──▶ lost
 *    │                                            ▲
 *    └──abort(), error, _force_close()────────────┘
 *
 * closing: no more reading, what is queued still leaves. conn_lost: connection_lost
 * is scheduled. lost: it has run, the descriptor is closed. */
#include "core.h"

#include <errno.h>
#include <structmember.h>
#include <sys/socket.h>
#include <unistd.h>

PyTypeObject *Stream_Type;

StreamObject *new_stream(LoopObject *loop, int fd, PyObject *protocol, PyObject *server) {
    (void)server; /* set once Server._attach has been called */
    StreamObject *t = (StreamObject *)Stream_Type->tp_alloc(Stream_Type, 0);
    if (!t) return NULL;
    t->fd = -1;
    t->loop = (LoopObject *)Py_NewRef((PyObject *)loop);
    t->high = 64 * 1024; /* asyncio's defaults, in bytes */
    t->low = 16 * 1024;
    t->context = PyContext_CopyCurrent();
    if (!t->context) {
        Py_DECREF(t);
        return NULL;
    }
    stream_set_protocol(t, protocol);
    t->fd = fd; /* from here on ours to close */
    return t;
}

void stream_set_protocol(StreamObject *t, PyObject *protocol) {
    int buffered = PyObject_IsInstance(protocol, imports.buffered_protocol);
    if (buffered < 0) PyErr_Clear();
    if (t->attached && t->buffered_protocol != (buffered == 1)) {
        gl_sqe *s = new_sqe(t->loop, GL_OP_DIRECT, t->fd, t->gen);
        if (s)
            s->flags = buffered == 1;
        else
            PyErr_Clear(); /* READABLE is understood either way */
    }
    t->buffered_protocol = buffered == 1;
    Py_XSETREF(t->protocol, Py_NewRef(protocol));
}

/* Puts the stream into the loop's table and the engine's. */
int stream_attach(StreamObject *t, bool paused) {
    LoopObject *loop = t->loop;
    gl_sqe *s = new_sqe(loop, GL_OP_ATTACH, t->fd, 0);
    if (!s) return -1;
    FdEntry *e = fd_entry(loop, t->fd);
    if (!e) {
        s->op = GL_OP_NOP;
        return -1;
    }
    /* A watch that its user forgot before closing the number goes. */
    PyObject *old[3] = {e->owner, e->reader, e->writer};
    t->gen = s->gen = ++e->gen;
    bool unpin = e->kind == FD_STREAM && e->owner && !((StreamObject *)e->owner)->pinned;
    if (unpin) old[0] = NULL;
    e->kind = FD_STREAM;
    e->owner = (PyObject *)t; /* borrowed, but for stream_pin */
    e->reader = e->writer = NULL;
    s->flags = (uint16_t)((paused ? GL_ATTACH_PAUSED : 0) | (t->buffered_protocol ? GL_ATTACH_DIRECT : 0));
    t->attached = true;
    for (int i = 0; i < 3; i++) Py_XDECREF(old[i]);
    return 0;
}

/* connected_stream(loop, sock, fd, protocol, extra, server, attach_takes_transport) -> StreamTransport:
 * around a connected socket, not reading yet. */
PyObject *connected_stream(PyObject *module, PyObject *args) {
    (void)module;
    LoopObject *loop;
    PyObject *sock, *protocol, *extra, *server;
    int fd, takes_transport;
    if (!PyArg_ParseTuple(args, "O!OiOO!Op", Loop_Type, &loop, &sock, &fd, &protocol, &PyDict_Type, &extra, &server,
                          &takes_transport))
        return NULL;
    if (engine_usable(loop) < 0) return NULL;
    StreamObject *t = new_stream(loop, fd, protocol, server);
    if (!t) return NULL;
    t->sock = Py_NewRef(sock);
    t->extra = Py_NewRef(extra);
    t->attach_takes_transport = takes_transport;
    if (server != Py_None) {
        PyObject *argv[2] = {server, (PyObject *)t};
        PyObject *r = PyObject_VectorcallMethod(names._attach, argv, takes_transport ? 2 : 1, NULL);
        if (!r) goto failed;
        Py_DECREF(r);
        t->server = Py_NewRef(server);
    }
    if (stream_attach(t, true) < 0) goto failed;
    return (PyObject *)t;
failed:
    Py_CLEAR(t->sock); /* the caller's again */
    t->fd = -1;
    t->lost = true;
    Py_DECREF(t);
    return NULL;
}

/* ---- the end ---- */

int stream_schedule_lost(StreamObject *t, PyObject *exception) {
    PyObject *callback = PyObject_GetAttrString((PyObject *)t, "_call_connection_lost");
    if (!callback) return -1;
    int rc = loop_call_soon_drop(t->loop, callback, exception ? exception : Py_None, NULL);
    Py_DECREF(callback);
    return rc;
}

int stream_close(StreamObject *t) {
    if (t->closing) return 0;
    t->closing = true;
    if (t->unsent && stream_flush(t) < 0) return -1;
    if (t->buffered > 0) return new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen) ? 0 : -1;
    if (t->conn_lost) return 0;
    t->conn_lost++;
    return stream_schedule_lost(t, NULL);
}

/* Closes without waiting for the queue. What this turn wrote has a last chance. */
int stream_force_close(StreamObject *t, PyObject *exception) {
    if (t->conn_lost) return 0;
    t->conn_lost++; /* first: a flush may tell of an error itself */
    t->closing = true;
    if (t->unsent && stream_flush(t) < 0) return -1;
    if (t->attached && !new_sqe(t->loop, GL_OP_DISCARD, t->fd, t->gen)) return -1;
    t->buffered = 0;
    return stream_schedule_lost(t, exception);
}

/* asyncio's _fatal_error: log, tell the handler unless it is the network's doing,
 * close. Exits go up as they are. */
int stream_fatal(StreamObject *t, PyObject *exception, const char *message) {
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    PyObject *r = PyObject_CallMethod((PyObject *)t->loop, "_transport_failed", "OOsO", (PyObject *)t, exception, message,
                                      t->protocol ? t->protocol : Py_None);
    int rc = r ? stream_force_close(t, exception) : -1;
    Py_XDECREF(r);
    Py_DECREF(exception);
    return rc;
}

/* Remembers the local address while the descriptor is open. */
static void keep_local(StreamObject *t) {
    if (t->local_len || t->extra || t->fd < 0) return;
    t->local_len = sizeof t->local;
    if (getsockname(t->fd, (struct sockaddr *)t->local, &t->local_len) < 0 || t->local_len > sizeof t->local)
        t->local_len = 0;
}

/* Takes the stream out of the tables and closes its descriptor. */
static int release_descriptor(StreamObject *t) {
    LoopObject *loop = t->loop;
    int fd = t->fd, rc = 0;
    if (fd < 0) return 0;
    keep_local(t);
    bool usable = loop->engine > 0 && loop->generation == process_generation;
    FdEntry *e = t->attached ? fd_lookup(loop, fd, t->gen) : NULL;
    t->fd = -1;
    if (!t->sock && e && usable) {
        if (!new_sqe(loop, GL_OP_CLOSE, fd, t->gen)) rc = -1;
        fd_release(loop, fd);
        t->attached = false;
        return rc;
    }
    if (e) {
        if (usable) {
            gl_sqe s = {.op = GL_OP_DETACH, .fd = fd, .gen = t->gen};
            if (submit_one(loop, &s) < 0) rc = -1;
        }
        fd_release(loop, fd);
    }
    t->attached = false;
    if (!t->sock) {
        close(fd);
        return rc;
    }
    PyObject *sock = t->sock;
    t->sock = NULL;
    if (rc == 0) rc = call_method_drop(sock, names.close, NULL);
    Py_DECREF(sock);
    return rc;
}

/* Scheduled by close() and its kin: tells the protocol, then lets go. */
static PyObject *call_connection_lost(StreamObject *t, PyObject *exception) {
    if (t->lost) Py_RETURN_NONE;
    t->lost = true;
    Py_INCREF(t); /* the table holds what may be the last reference */
    PyObject *protocol = t->protocol, *server = t->server;
    t->server = NULL;
    int rc = 0;
    if (protocol) rc = call_method_drop(protocol, names.connection_lost, exception);
    PyObject *pending = rc < 0 ? PyErr_GetRaisedException() : NULL;
    rc = release_descriptor(t);
    Py_CLEAR(t->held);
    Py_CLEAR(t->protocol);
    if (server && rc == 0) {
        PyObject *argv[2] = {server, (PyObject *)t};
        PyObject *r = PyObject_VectorcallMethod(names._detach, argv, t->attach_takes_transport ? 2 : 1, NULL);
        rc = r ? 0 : -1;
        Py_XDECREF(r);
    }
    Py_XDECREF(server);
    Py_DECREF(t);
    if (pending) {
        if (rc < 0) PyErr_Clear();
        PyErr_SetRaisedException(pending);
        return NULL;
    }
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

/* ---- methods ---- */

static PyObject *none_or_null(int rc) {
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *method_close(StreamObject *t, PyObject *i) { (void)i; return none_or_null(stream_close(t)); }
static PyObject *method_abort(StreamObject *t, PyObject *i) { (void)i; return none_or_null(stream_force_close(t, NULL)); }
static PyObject *method_is_closing(StreamObject *t, PyObject *i) { (void)i; return PyBool_FromLong(t->closing); }
static PyObject *method_is_reading(StreamObject *t, PyObject *i) { (void)i; return PyBool_FromLong(!t->closing && !t->paused); }
static PyObject *method_can_write_eof(StreamObject *t, PyObject *i) { (void)t; (void)i; Py_RETURN_TRUE; }
static PyObject *method_get_protocol(StreamObject *t, PyObject *i) { (void)i; return Py_NewRef(t->protocol ? t->protocol : Py_None); }

static PyObject *method_set_protocol(StreamObject *t, PyObject *protocol) {
    stream_set_protocol(t, protocol);
    Py_RETURN_NONE;
}

static PyObject *method_force_close(StreamObject *t, PyObject *exception) {
    return none_or_null(stream_force_close(t, exception == Py_None ? NULL : exception));
}

static PyObject *method_fatal_error(StreamObject *t, PyObject *args) {
    PyObject *exception;
    const char *message = "Fatal error on transport";
    if (!PyArg_ParseTuple(args, "O|s", &exception, &message)) return NULL;
    return none_or_null(stream_fatal(t, Py_NewRef(exception), message));
}

static PyObject *start_reading(StreamObject *t, PyObject *i) {
    (void)i;
    if (t->attached && !t->paused && !t->closing && !new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen)) return NULL;
    stream_pin(t);
    Py_RETURN_NONE;
}

static PyObject *pause_reading(StreamObject *t, PyObject *i) {
    (void)i;
    if (t->closing || t->paused) Py_RETURN_NONE;
    t->paused = true;
    if (t->attached && !new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen)) return NULL;
    stream_pin(t);
    Py_RETURN_NONE;
}

static PyObject *resume_reading(StreamObject *t, PyObject *i) {
    (void)i;
    if (t->closing || !t->paused) Py_RETURN_NONE;
    t->paused = false;
    if (t->held || t->eof_held) { /* before anything newer */
        PyObject *callback = PyObject_GetAttrString((PyObject *)t, "_deliver_held");
        int rc = callback ? loop_call_soon_drop(t->loop, callback, NULL, t->context) : -1;
        Py_XDECREF(callback);
        if (rc < 0) return NULL;
    }
    if (t->attached && !new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen)) return NULL;
    stream_pin(t);
    Py_RETURN_NONE;
}

/* The socket object of an accepted descriptor, made when somebody asks. */
static PyObject *borrow_sock(StreamObject *t) {
    if (!t->sock && t->fd >= 0) {
        PyObject *args = Py_BuildValue("(iii)", t->family, t->type, t->proto);
        PyObject *kwargs = Py_BuildValue("{s:i}", "fileno", t->fd);
        if (args && kwargs) t->sock = PyObject_Call(imports.socket, args, kwargs);
        /* Its own idea of the timeout: dup() gives the copy's to the descriptor. */
        PyObject *r = t->sock ? PyObject_CallMethod(t->sock, "setblocking", "i", 0) : NULL;
        if (t->sock && !r) Py_CLEAR(t->sock);
        Py_XDECREF(r);
        Py_XDECREF(args);
        Py_XDECREF(kwargs);
    }
    return t->sock;
}

static int put(PyObject *dict, PyObject *key, PyObject *value) {
    int rc = value ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(value);
    return rc;
}

static PyObject *get_extra_info(StreamObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    PyObject *fallback = n > 1 ? args[1] : Py_None;
    if (kwnames && PyTuple_GET_SIZE(kwnames) == 1 && n == 1) {
        fallback = args[1];
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "default") != 0) n = 0;
    }
    if (n < 1 || n > 2) {
        PyErr_SetString(PyExc_TypeError, "get_extra_info(name, default=None)");
        return NULL;
    }
    if (!t->extra) {
        PyObject *extra = PyDict_New();
        if (!extra) return NULL;
        keep_local(t);
        PyObject *sock = borrow_sock(t);
        int rc = t->fd >= 0 && !sock ? -1 : 0;
        if (rc == 0 && sock) rc = put(extra, names.socket, PyObject_CallOneArg(imports.transport_socket, sock));
        if (rc == 0) rc = put(extra, names.sockname, sockaddr_to_python(t->local, t->local_len));
        if (rc == 0) rc = put(extra, names.peername, sockaddr_to_python(t->peer, t->peer_len));
        if (rc < 0) {
            Py_DECREF(extra);
            return NULL;
        }
        t->extra = extra;
    }
    PyObject *value = PyDict_GetItemWithError(t->extra, args[0]);
    if (!value && PyErr_Occurred()) return NULL;
    return Py_NewRef(value ? value : fallback);
}

static PyObject *get_write_buffer_size(StreamObject *t, PyObject *i) {
    (void)i;
    if (t->unsent && stream_flush(t) < 0) return NULL;
    return PyLong_FromLongLong(t->buffered);
}

static PyObject *get_write_buffer_limits(StreamObject *t, PyObject *i) {
    (void)i;
    return Py_BuildValue("(LL)", (long long)t->low, (long long)t->high);
}

static PyObject *set_write_buffer_limits(StreamObject *t, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"high", "low", NULL};
    PyObject *high_object = Py_None, *low_object = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", keywords, &high_object, &low_object))
        return NULL;
    long long low = low_object == Py_None ? 0 : PyLong_AsLongLong(low_object);
    if (low == -1 && PyErr_Occurred()) return NULL;
    long long high = high_object == Py_None ? (low_object == Py_None ? 64 * 1024 : 4 * low) : PyLong_AsLongLong(high_object);
    if (high == -1 && PyErr_Occurred()) return NULL;
    if (low_object == Py_None) low = high >= 0 ? high / 4 : -((-high + 3) / 4);
    if (!(high >= low && low >= 0)) {
        PyErr_Format(PyExc_ValueError, "high (%lld) must be >= low (%lld) must be >= 0", high, low);
        return NULL;
    }
    t->high = high;
    t->low = low;
    return none_or_null(stream_maybe_pause(t));
}

static PyObject *stream_repr(StreamObject *t) {
    const char *state = t->lost ? " closed" : t->closing ? " closing" : "";
    return PyUnicode_FromFormat("<%s%s fd=%d read=%s write=<%s, bufsize=%lld>>", "StreamTransport", state, t->fd,
                                t->attached && !t->closing && !t->paused ? "polling" : "idle",
                                t->buffered ? "polling" : "idle", (long long)t->buffered);
}

static PyObject *get_sock(StreamObject *t, void *i) {
    (void)i;
    PyObject *sock = borrow_sock(t);
    if (!sock && PyErr_Occurred()) return NULL;
    return Py_NewRef(sock ? sock : Py_None);
}

static PyObject *get_paused(StreamObject *t, void *i) { (void)i; return PyBool_FromLong(t->paused); }

#define M(name, f, flags, doc) {name, (PyCFunction)(void (*)(void))(f), flags, doc}
static PyMethodDef methods[] = {
    M("write", stream_write, METH_O, "write(data)\n--\n\nQueue bytes; all that one turn writes leaves together. See asyncio.WriteTransport.write."),
    M("writelines", stream_writelines, METH_O, "writelines(list_of_data)\n--\n\nwrite() of each, without joining them."),
    M("write_eof", stream_write_eof, METH_NOARGS, "write_eof()\n--\n\nEnd of file to the peer after what is queued."),
    M("can_write_eof", method_can_write_eof, METH_NOARGS, "can_write_eof()\n--\n\nTrue."),
    M("close", method_close, METH_NOARGS, "close()\n--\n\nClose once what is queued has left."),
    M("abort", method_abort, METH_NOARGS, "abort()\n--\n\nClose now; what is queued is lost."),
    M("is_closing", method_is_closing, METH_NOARGS, "is_closing()\n--\n\nWhether close() or abort() was called, or the connection was lost."),
    M("is_reading", method_is_reading, METH_NOARGS, "is_reading()\n--\n\nWhether data are delivered."),
    M("pause_reading", pause_reading, METH_NOARGS, "pause_reading()\n--\n\nDeliver nothing until resume_reading()."),
    M("resume_reading", resume_reading, METH_NOARGS, "resume_reading()\n--\n\nDeliver again."),
    M("set_protocol", method_set_protocol, METH_O, "set_protocol(protocol)\n--\n\nDeliver to another protocol from now on."),
    M("get_protocol", method_get_protocol, METH_NOARGS, "get_protocol()\n--\n\nThe current protocol, None once the connection is lost."),
    M("get_extra_info", get_extra_info, METH_FASTCALL | METH_KEYWORDS, "get_extra_info(name, default=None)\n--\n\n'socket', 'sockname', 'peername'."),
    M("get_write_buffer_size", get_write_buffer_size, METH_NOARGS, "get_write_buffer_size()\n--\n\nBytes that the kernel has not taken."),
    M("get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS, "get_write_buffer_limits()\n--\n\n(low, high) in bytes."),
    M("set_write_buffer_limits", set_write_buffer_limits, METH_VARARGS | METH_KEYWORDS, "set_write_buffer_limits(high=None, low=None)\n--\n\nBytes at which pause_writing and resume_writing are called. Raises ValueError."),
    M("_force_close", method_force_close, METH_O, NULL),
    M("_fatal_error", method_fatal_error, METH_VARARGS, NULL),
    M("_start_reading", start_reading, METH_NOARGS, NULL),
    M("_call_connection_lost", call_connection_lost, METH_O, NULL),
    M("_deliver_held", stream_deliver_held, METH_NOARGS, NULL),
    M("_make_empty_waiter", stream_make_empty_waiter, METH_NOARGS, NULL),
    M("_reset_empty_waiter", stream_reset_empty_waiter, METH_NOARGS, NULL),
    {0}};

static PyMemberDef members[] = {
    {"_loop", T_OBJECT, offsetof(StreamObject, loop), READONLY, NULL},
    {"_protocol", T_OBJECT, offsetof(StreamObject, protocol), READONLY, NULL},
    {"_server", T_OBJECT, offsetof(StreamObject, server), READONLY, NULL},
    {"_sock_fd", T_INT, offsetof(StreamObject, fd), READONLY, NULL},
    {"_conn_lost", T_INT, offsetof(StreamObject, conn_lost), READONLY, NULL},
    {"_eof", T_BOOL, offsetof(StreamObject, eof_written), READONLY, NULL},
    {"_closing", T_BOOL, offsetof(StreamObject, closing), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(StreamObject, protocol_paused), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(StreamObject, weakrefs), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(StreamObject, dict), READONLY, NULL},
    {0}};

static PyGetSetDef getset[] = {{"_sock", (getter)get_sock, NULL, NULL, NULL},
                               {"_paused", (getter)get_paused, NULL, NULL, NULL},
                               {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
                               {0}};

/* ---- life ---- */

static int stream_traverse(StreamObject *t, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(t));
    Py_VISIT(t->extra);
    Py_VISIT(t->loop);
    Py_VISIT(t->protocol);
    Py_VISIT(t->sock);
    Py_VISIT(t->server);
    Py_VISIT(t->context);
    Py_VISIT(t->held);
    Py_VISIT(t->empty_waiter);
    Py_VISIT(t->dict);
    return 0;
}

static int stream_clear(StreamObject *t) {
    Py_CLEAR(t->extra);
    Py_CLEAR(t->protocol);
    Py_CLEAR(t->sock);
    Py_CLEAR(t->server);
    Py_CLEAR(t->context);
    Py_CLEAR(t->held);
    Py_CLEAR(t->empty_waiter);
    Py_CLEAR(t->dict);
    return 0;
}

/* A transport that nobody closed: say so, as asyncio does, and close it. */
static void stream_finalize(PyObject *self) {
    StreamObject *t = (StreamObject *)self;
    if (t->fd < 0) return;
    PyObject *pending = PyErr_GetRaisedException();
    if (PyErr_ResourceWarning(self, 1, "unclosed transport %R", self) < 0) {
        if (PyErr_ExceptionMatches(PyExc_Warning))
            PyErr_WriteUnraisable(self);
        else
            PyErr_Clear();
    }
    if (release_descriptor(t) < 0) PyErr_WriteUnraisable(self);
    if (pending) PyErr_SetRaisedException(pending);
}

static void stream_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0) return;
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    stream_clear((StreamObject *)self);
    Py_CLEAR(((StreamObject *)self)->loop);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {{Py_tp_doc, "A connected stream; see asyncio.Transport."},
                              {Py_tp_dealloc, stream_dealloc},
                              {Py_tp_finalize, stream_finalize},
                              {Py_tp_traverse, stream_traverse},
                              {Py_tp_clear, stream_clear},
                              {Py_tp_repr, stream_repr},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {Py_tp_getset, getset},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core.StreamTransport", sizeof(StreamObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int stream_setup(PyObject *module) {
    PyObject *transports = PyImport_ImportModule("asyncio.transports");
    PyObject *base = transports ? PyObject_GetAttrString(transports, "_FlowControlMixin") : NULL;
    Py_XDECREF(transports);
    if (!base) return -1;
    int rc = -1;
    if (check_slot(base, "_extra", offsetof(StreamObject, extra)) < 0 ||
        check_slot(base, "_loop", offsetof(StreamObject, loop)) < 0 ||
        ((PyTypeObject *)base)->tp_basicsize != offsetof(StreamObject, protocol)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "goloop: this CPython's asyncio transports have another size");
        goto done;
    }
    PyObject *bases = PyTuple_Pack(1, base);
    if (!bases) goto done;
    Stream_Type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, bases);
    Py_DECREF(bases);
    if (!Stream_Type || PyModule_AddType(module, Stream_Type) < 0) goto done;
    /* What BaseEventLoop.start_tls and sendfile look for. */
    PyObject *constants = PyImport_ImportModule("asyncio.constants");
    PyObject *modes = constants ? PyObject_GetAttrString(constants, "_SendfileMode") : NULL;
    PyObject *native = modes ? PyObject_GetAttrString(modes, "TRY_NATIVE") : NULL;
    if (native && PyObject_SetAttrString((PyObject *)Stream_Type, "_sendfile_compatible", native) == 0 &&
        PyObject_SetAttrString((PyObject *)Stream_Type, "_start_tls_compatible", Py_True) == 0)
        rc = 0;
    Py_XDECREF(native);
    Py_XDECREF(modes);
    Py_XDECREF(constants);
done:
    Py_DECREF(base);
    return rc;
}
