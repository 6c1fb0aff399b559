/* Transport: what a transport is and does whatever it carries: its place in the
 * loop's table, flow control, extra information, its end.
 *
 *   open ──close()──▶ closing ──queue empty──▶ conn_lost ──next turn──▶ lost
 *    │                                            ▲
 *    └──abort(), error, _force_close()────────────┘
 *
 * closing: no more reading, what is queued still leaves. conn_lost: connection_lost
 * is scheduled. lost: it has run, the descriptor is closed. */
#include "transport.h"

#include <errno.h>
#include <math.h>
#include <sys/socket.h>
#include <unistd.h>

PyTypeObject *Transport_Type;

int transport_init(TransportObject *t, LoopObject *loop, int fd, PyObject *context) {
    t->fd = -1;
    t->loop = (LoopObject *)Py_NewRef((PyObject *)loop);
    t->high = 64 * 1024; /* asyncio's defaults, in bytes */
    t->low = 16 * 1024;
    t->context = context ? Py_NewRef(context) : PyContext_CopyCurrent();
    if (!t->context) return -1;
    t->fd = fd; /* from here on ours to close */
    return 0;
}

/* Puts the transport into the loop's table and the engine's, not reading yet. */
int transport_attach(TransportObject *t, enum fd_kind kind, uint16_t op, uint16_t flags) {
    LoopObject *loop = t->loop;
    FdEntry *e = fd_entry(loop, t->fd);
    if (!e) return -1;
    if (e->kind != FD_FREE && fd_vacate(loop, t->fd, t->sock && !t->duplicate ? FOR_OWNER : NEW_NUMBER) < 0) return -1;
    gl_sqe *s = new_sqe(loop, op, t->fd, 0);
    if (!s) return -1;
    e = &loop->fds[t->fd];
    t->gen = s->gen = ++e->gen;
    e->kind = kind;
    e->owner = (PyObject *)t; /* borrowed, but for transport_pin */
    s->flags = (uint16_t)(GL_ATTACH_PAUSED | flags);
    t->attached = true;
    t->attach_epoch = loop->sq_epoch;
    return 0;
}

/* Keeps the first exception of several steps that are all to be made. */
static void put_aside(PyObject **pending, int rc) {
    if (rc == 0) return;
    if (*pending)
        PyErr_Clear();
    else
        *pending = PyErr_GetRaisedException();
}

/* Raises what was put aside. Steals; NULL: rc stands. */
static int raise_again(PyObject *pending, int rc) {
    if (!pending) return rc;
    if (rc < 0) PyErr_Clear();
    PyErr_SetRaisedException(pending);
    return -1;
}

/* ---- flow control ---- */

int transport_flush(TransportObject *t) { return t->loop->in_turn ? 0 : submit_now(t->loop); }

static int report(TransportObject *t, const char *message) {
    PyObject *exception = steal_exception();
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    int rc = call_exception_handler(t->loop, message, exception, (PyObject *)t, t->protocol);
    Py_DECREF(exception);
    return rc;
}

int transport_maybe_pause(TransportObject *t) {
    if (t->buffered <= t->high || t->protocol_paused) return 0;
    if (t->unsent && transport_flush(t) < 0) return -1;
    if (t->buffered <= t->high || t->protocol_paused || !t->protocol) return 0;
    t->protocol_paused = true;
    if (call_method_drop(t->protocol, names.pause_writing, NULL) < 0) return report(t, "protocol.pause_writing() failed");
    return 0;
}

static int resume_writing(TransportObject *t) {
    t->protocol_paused = false;
    PyObject *context = Py_NewRef(t->context);
    if (PyContext_Enter(context) < 0) { /* a callback of the same transport is running: entered already */
        PyErr_Clear();
        Py_CLEAR(context);
    }
    int rc = call_method_drop(t->protocol, names.resume_writing, NULL);
    if (rc < 0) rc = report(t, "protocol.resume_writing() failed");
    if (context) steal_entered(context);
    return rc;
}

int transport_wrote(TransportObject *t, int64_t n) {
    t->buffered = t->buffered > n ? t->buffered - n : 0;
    if (t->protocol_paused && t->buffered <= t->low && t->protocol && resume_writing(t) < 0) {
        transport_owe(t, false); /* an exit: the next run tells the rest */
        return -1;
    }
    if (t->buffered) return 0;
    transport_pin(t);
    if (t->closing && !t->conn_lost) {
        t->conn_lost++;
        return transport_schedule_lost(t, NULL);
    }
    return 0;
}

int transport_warn_lost(TransportObject *t) {
    if (t->conn_lost >= WARN_AFTER) {
        PyObject *r = PyObject_CallFunction(imports.logger_warning, "s", "socket.send() raised exception.");
        if (!r) return -1;
        Py_DECREF(r);
    }
    t->conn_lost++;
    return 0;
}

/* ---- the end ---- */

int transport_close(TransportObject *t) {
    if (t->closing) return 0;
    t->closing = true;
    PyObject *pending = t->unsent && transport_flush(t) < 0 ? PyErr_GetRaisedException() : NULL;
    int rc = 0;
    if (t->buffered > 0) {
        rc = new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen) ? 0 : -1;
    } else if (!t->conn_lost) {
        t->conn_lost++;
        rc = transport_schedule_lost(t, NULL);
    }
    return raise_again(pending, rc);
}

/* Closes without waiting for the queue. What this turn wrote has a last chance. */
int transport_force_close(TransportObject *t, PyObject *exception) {
    if (t->conn_lost) return 0;
    t->conn_lost++; /* first: a flush may tell of an error itself */
    t->closing = true;
    PyObject *pending = t->unsent && transport_flush(t) < 0 ? PyErr_GetRaisedException() : NULL;
    if (t->attached) put_aside(&pending, new_sqe(t->loop, GL_OP_DISCARD, t->fd, t->gen) ? 0 : -1);
    t->buffered = 0;
    return raise_again(pending, transport_schedule_lost(t, exception));
}

/* asyncio's _fatal_error: log, tell the handler unless it is the network's doing,
 * close, whatever became of the telling. Exits go up as they are. */
int transport_fatal(TransportObject *t, PyObject *exception, const char *message) {
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    PyObject *r = PyObject_CallMethod((PyObject *)t->loop, "_transport_failed", "OOsO", (PyObject *)t, exception, message,
                                      t->protocol ? t->protocol : Py_None);
    PyObject *pending = r ? NULL : PyErr_GetRaisedException();
    Py_XDECREF(r);
    int rc = transport_force_close(t, exception);
    Py_DECREF(exception);
    return raise_again(pending, rc);
}

/* Takes the transport out of the tables; its descriptor stays open. */
int transport_detach(TransportObject *t) {
    LoopObject *loop = t->loop;
    FdEntry *e = t->attached ? fd_lookup(loop, t->fd, t->gen) : NULL;
    int rc = 0;
    t->attached = false;
    if (!e) return 0;
    if (loop->engine > 0 && loop->generation == process_generation) {
        gl_sqe s = {.op = GL_OP_DETACH, .fd = t->fd, .gen = t->gen};
        if (submit_one(loop, &s) < 0) rc = -1;
    }
    fd_release(loop, t->fd);
    return rc;
}

/* Its number is another's from now on. gone: its file has been closed behind its back, so
 * that nothing which is queued can leave, and the number is not its to close. */
int transport_evict(TransportObject *t, bool gone) {
    if (!gone) transport_keep_local(t);
    int rc = transport_detach(t);
    t->buffered = t->unsent = 0;
    if (gone) t->fd = -1;
    t->closing = true;
    if (t->conn_lost || rc < 0) return rc;
    t->conn_lost++;
    errno = EBADF;
    PyErr_SetFromErrno(PyExc_OSError);
    PyObject *exception = steal_exception();
    rc = transport_schedule_lost(t, exception);
    Py_DECREF(exception);
    return rc;
}

/* Takes the transport out of the tables and closes its descriptor. */
static int release_descriptor(TransportObject *t) {
    LoopObject *loop = t->loop;
    int fd = t->fd;
    if (fd < 0 && !t->sock) return 0;
    transport_keep_local(t);
    bool usable = loop->engine > 0 && loop->generation == process_generation;
    if (!t->sock && usable && t->attached && fd_lookup(loop, fd, t->gen) && new_sqe(loop, GL_OP_CLOSE, fd, t->gen)) {
        fd_release(loop, fd);
        t->fd = -1;
        t->attached = false;
        return 0;
    }
    PyObject *pending = PyErr_GetRaisedException(); /* the submissions were full, and handing them over failed */
    put_aside(&pending, transport_detach(t));
    t->fd = -1;
    if (fd >= 0 && (!t->sock || t->duplicate)) close(fd);
    PyObject *sock = t->sock;
    t->sock = NULL;
    if (sock) put_aside(&pending, call_method_drop(sock, names.close, NULL));
    Py_XDECREF(sock);
    return raise_again(pending, 0);
}

/* Scheduled by close() and its kin: tells the protocol, then lets go. */
PyObject *method_call_connection_lost(TransportObject *t, PyObject *exception) {
    if (t->lost) Py_RETURN_NONE;
    t->lost = true;
    Py_INCREF(t); /* the table holds what may be the last reference */
    PyObject *protocol = t->protocol, *server = t->server;
    t->server = NULL;
    int rc = 0;
    if (protocol) rc = call_method_drop(protocol, names.connection_lost, exception);
    PyObject *pending = rc < 0 ? PyErr_GetRaisedException() : NULL;
    put_aside(&pending, release_descriptor(t));
    Py_CLEAR(t->held);
    Py_CLEAR(t->protocol);
    if (Py_IS_TYPE((PyObject *)t, Stream_Type)) put_aside(&pending, stream_lost((StreamObject *)t));
    if (server) {
        PyObject *argv[2] = {server, (PyObject *)t};
        PyObject *r = PyObject_VectorcallMethod(names._detach, argv, t->attach_takes_transport ? 2 : 1, NULL);
        put_aside(&pending, r ? 0 : -1);
        Py_XDECREF(r);
    }
    Py_XDECREF(server);
    Py_DECREF(t);
    return none_or_null(raise_again(pending, 0));
}

/* ---- methods ---- */

PyObject *method_close(TransportObject *t, PyObject *i) { (void)i; return none_or_null(transport_close(t)); }
PyObject *method_abort(TransportObject *t, PyObject *i) { (void)i; return none_or_null(transport_force_close(t, NULL)); }
PyObject *method_is_closing(TransportObject *t, PyObject *i) { (void)i; return PyBool_FromLong(t->closing); }
PyObject *method_is_reading(TransportObject *t, PyObject *i) { (void)i; return PyBool_FromLong(!t->closing && !t->paused); }
PyObject *method_get_protocol(TransportObject *t, PyObject *i) { (void)i; return Py_NewRef(t->protocol ? t->protocol : Py_None); }

PyObject *borrow_named(PyObject *self, const char *method, const char *name, PyObject *const *args, Py_ssize_t n,
                       PyObject *kwnames) {
    const char *type = strrchr(Py_TYPE(self)->tp_name, '.');
    type = type ? type + 1 : Py_TYPE(self)->tp_name;
    Py_ssize_t k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < k; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(keyword, name) != 0)
            return PyErr_Format(PyExc_TypeError, "%s.%s() got an unexpected keyword argument '%U'", type, method, keyword);
        if (n) return PyErr_Format(PyExc_TypeError, "%s.%s() got multiple values for argument '%s'", type, method, name);
    }
    if (n + k == 1) return args[0];
    return n ? PyErr_Format(PyExc_TypeError, "%s.%s() takes 2 positional arguments but %zd were given", type, method, n + 1)
             : PyErr_Format(PyExc_TypeError, "%s.%s() missing 1 required positional argument: '%s'", type, method, name);
}

static PyObject *set_protocol(TransportObject *t, PyObject *protocol) {
    Py_XSETREF(t->protocol, Py_NewRef(protocol));
    Py_RETURN_NONE;
}

TAKES_ONE(method_set_protocol, "set_protocol", "protocol", TransportObject, set_protocol)

static PyObject *method_force_close(TransportObject *t, PyObject *exception) {
    return none_or_null(transport_force_close(t, exception == Py_None ? NULL : exception));
}

static PyObject *method_fatal_error(TransportObject *t, PyObject *args) {
    PyObject *exception;
    const char *message = "Fatal error on transport";
    if (!PyArg_ParseTuple(args, "O|s", &exception, &message)) return NULL;
    return none_or_null(transport_fatal(t, Py_NewRef(exception), message));
}

PyObject *method_start_reading(TransportObject *t, PyObject *i) {
    (void)i;
    if (t->attached && !t->paused && !t->closing && !new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen)) return NULL;
    transport_pin(t);
    Py_RETURN_NONE;
}

PyObject *method_pause_reading(TransportObject *t, PyObject *i) {
    (void)i;
    if (t->closing || t->paused) Py_RETURN_NONE;
    if (t->attached && !new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen)) return NULL;
    t->paused = true;
    transport_pin(t);
    Py_RETURN_NONE;
}

PyObject *method_resume_reading(TransportObject *t, PyObject *i) {
    (void)i;
    if (t->closing || !t->paused) Py_RETURN_NONE;
    if (t->attached && !new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen)) return NULL;
    t->paused = false;
    if (t->held || t->eof_held) transport_owe(t, false);
    transport_pin(t);
    Py_RETURN_NONE;
}

PyObject *method_get_write_buffer_size(TransportObject *t, PyObject *i) {
    (void)i;
    if (t->unsent && transport_flush(t) < 0) return NULL;
    return PyLong_FromLongLong(t->buffered);
}

PyObject *method_get_write_buffer_limits(TransportObject *t, PyObject *i) {
    (void)i;
    return Py_BuildValue("(LL)", (long long)t->low, (long long)t->high);
}

/* A limit in an error's text: what was given, or the number that stands for None. */
static PyObject *new_shown(PyObject *given, double value) {
    if (given != Py_None) return Py_NewRef(given);
    return isfinite(value) ? PyLong_FromDouble(value) : PyFloat_FromDouble(value);
}

PyObject *method_set_write_buffer_limits(TransportObject *t, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"high", "low", NULL};
    PyObject *high_object = Py_None, *low_object = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:set_write_buffer_limits", keywords, &high_object, &low_object))
        return NULL;
    double low = 0, high = 64 * 1024;
    if (low_object != Py_None) {
        low = PyFloat_AsDouble(low_object);
        high = 4 * low;
    }
    if (high_object != Py_None && !PyErr_Occurred()) {
        high = PyFloat_AsDouble(high_object);
        if (low_object == Py_None) low = floor(high / 4);
    } else if (low_object == Py_None) {
        low = 16 * 1024;
    }
    if (PyErr_Occurred()) return NULL;
    if (!(high >= low && low >= 0)) {
        PyObject *shown_high = new_shown(high_object, high), *shown_low = new_shown(low_object, low);
        if (shown_high && shown_low)
            PyErr_Format(PyExc_ValueError, "high (%R) must be >= low (%R) must be >= 0", shown_high, shown_low);
        Py_XDECREF(shown_high);
        Py_XDECREF(shown_low);
        return NULL;
    }
    /* Limits beyond what fits are limits that no queue reaches. */
    t->high = high < 9e18 ? (int64_t)high : INT64_MAX;
    t->low = low < 9e18 ? (int64_t)low : INT64_MAX;
    return none_or_null(transport_maybe_pause(t));
}

static PyObject *transport_repr(TransportObject *t) {
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(t), "__name__");
    if (!name) return NULL;
    const char *state = t->lost ? " closed" : t->closing ? " closing" : "";
    PyObject *text = PyUnicode_FromFormat("<%U%s fd=%d read=%s write=<%s, bufsize=%lld>>", name, state, t->fd,
                                          t->attached && !t->closing && !t->paused ? "polling" : "idle",
                                          t->buffered ? "polling" : "idle", (long long)t->buffered);
    Py_DECREF(name);
    return text;
}

static PyObject *get_sock(TransportObject *t, void *i) {
    (void)i;
    PyObject *sock = transport_borrow_sock(t);
    if (!sock && PyErr_Occurred()) return NULL;
    return Py_NewRef(sock ? sock : Py_None);
}

PyObject *get_paused(TransportObject *t, void *i) { (void)i; return PyBool_FromLong(t->paused); }

static PyMethodDef methods[] = {
    COMMON_METHODS,
    READING_METHODS,
    WRITING_METHODS,
    METHOD("_start_reading", method_start_reading, METH_NOARGS, NULL),
    METHOD("resume_reading", method_resume_reading, METH_NOARGS, RESUME_DOC),
    METHOD("close", method_close, METH_NOARGS, CLOSE_DOC),
    METHOD("get_extra_info", method_get_extra_info, METH_FASTCALL | METH_KEYWORDS, "get_extra_info(name, default=None)\n--\n\n'socket', 'sockname', 'peername'."),
    METHOD("_force_close", method_force_close, METH_O, NULL),
    METHOD("_fatal_error", method_fatal_error, METH_VARARGS, NULL),
    {0}};

static PyMemberDef members[] = {
    COMMON_MEMBERS,
    {"_server", T_OBJECT, offsetof(TransportObject, server), READONLY, NULL},
    {"_sock_fd", T_INT, offsetof(TransportObject, fd), READONLY, NULL},
    {"_conn_lost", T_INT, offsetof(TransportObject, conn_lost), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(TransportObject, protocol_paused), READONLY, NULL},
    {0}};

static PyGetSetDef getset[] = {{"_sock", (getter)get_sock, NULL, NULL, NULL},
                               {"_paused", (getter)get_paused, NULL, NULL, NULL},
                               DICT_GETSET,
                               {0}};

/* ---- life ---- */

int transport_traverse(PyObject *self, visitproc visit, void *arg) {
    TransportObject *t = (TransportObject *)self;
    Py_VISIT(Py_TYPE(t));
    Py_VISIT(t->extra);
    Py_VISIT(t->loop);
    Py_VISIT(t->protocol);
    Py_VISIT(t->sock);
    Py_VISIT(t->server);
    Py_VISIT(t->sockname);
    Py_VISIT(t->context);
    Py_VISIT(t->held);
    Py_VISIT(t->end);
    Py_VISIT(t->dict);
    return 0;
}

int transport_clear(PyObject *self) {
    TransportObject *t = (TransportObject *)self;
    Py_CLEAR(t->extra);
    Py_CLEAR(t->protocol);
    Py_CLEAR(t->sock);
    Py_CLEAR(t->server);
    Py_CLEAR(t->sockname);
    Py_CLEAR(t->context);
    Py_CLEAR(t->held);
    Py_CLEAR(t->end);
    Py_CLEAR(t->dict);
    return 0;
}

/* A transport that nobody closed: say so, as asyncio does, and close it. */
void transport_finalize(PyObject *self) {
    TransportObject *t = (TransportObject *)self;
    if (t->fd < 0) return;
    PyObject *pending = PyErr_GetRaisedException();
    /* Without a protocol nobody has seen it: accept.c. */
    if (t->protocol && PyErr_ResourceWarning(self, 1, "unclosed transport %R", self) < 0) {
        if (PyErr_ExceptionMatches(PyExc_Warning))
            PyErr_WriteUnraisable(self);
        else
            PyErr_Clear();
    }
    if (release_descriptor(t) < 0) PyErr_WriteUnraisable(self);
    if (pending) PyErr_SetRaisedException(pending);
}

void transport_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0) return;
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    type->tp_clear(self);
    Py_CLEAR(((TransportObject *)self)->loop);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {{Py_tp_doc, "What the transports of goloop have in common."},
                              LIFE_SLOTS,
                              {Py_tp_repr, transport_repr},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {Py_tp_getset, getset},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._Transport", sizeof(TransportObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           slots};

int transport_setup(PyObject *module) {
    if (callbacks_setup() < 0) return -1;
    PyObject *transports = PyImport_ImportModule("asyncio.transports");
    PyObject *base = transports ? PyObject_GetAttrString(transports, "_FlowControlMixin") : NULL;
    Py_XDECREF(transports);
    if (!base) return -1;
    if (check_slot(base, "_extra", offsetof(TransportObject, extra)) < 0 ||
        check_slot(base, "_loop", offsetof(TransportObject, loop)) < 0 ||
        ((PyTypeObject *)base)->tp_basicsize != offsetof(TransportObject, protocol)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "goloop: this CPython's asyncio transports have another size");
        Py_DECREF(base);
        return -1;
    }
    PyObject *bases = PyTuple_Pack(1, base);
    Py_DECREF(base);
    if (bases) Transport_Type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, bases);
    Py_XDECREF(bases);
    return Transport_Type ? 0 : -1;
}
