/* The methods that transports have in common, and their type. */
#include "methods.h"

#include "attached.h"
#include "callback.h"
#include "engine.h"
#include "errors.h"
#include "extra.h"

/* f as a table has it: any function of the transport, with its loop's guard. */
#define TABLE(name, call)                                                                                              \
    PyObject *name(PyObject *self, PyObject *arg) {                                                            \
        TransportObject *t = TRANSPORT(self);                                                                          \
        PyObject *result;                                                                                              \
        (void)arg;                                                                                                     \
        GUARD(t->loop->guard)                                                                                          \
        result = call;                                                                                                 \
        UNGUARD                                                                                                        \
        return result;                                                                                                 \
    }

static PyObject *pause_reading(TransportObject *t) {
    if (t->closing || t->paused) Py_RETURN_NONE;
    if (t->attached && !new_sqe(t->loop, GL_OP_PAUSE, t->fd, t->gen)) return NULL;
    t->paused = true;
    transport_pin(t);
    Py_RETURN_NONE;
}

static PyObject *resume_reading(TransportObject *t) {
    if (t->closing || !t->paused) Py_RETURN_NONE;
    bool asks = t->attached && !t->kind->hears_refusal;
    if (asks && !new_sqe(t->loop, GL_OP_RESUME, t->fd, t->gen)) return NULL;
    t->paused = false;
    if (t->held || t->eof_held) transport_owe(t, false);
    transport_pin(t);
    return none_or_null(asks ? 0 : transport_start_reading(t));
}

TABLE(table_close, none_or_null(transport_close(t)))
TABLE(table_abort, none_or_null(transport_force_close(t, NULL)))
TABLE(table_is_closing, PyBool_FromLong(t->closing))
TABLE(table_is_reading, PyBool_FromLong(!t->closing && !t->paused))
TABLE(table_get_protocol, Py_NewRef(t->protocol ? t->protocol : Py_None))
TABLE(table_pause_reading, pause_reading(t))
TABLE(table_start_reading, none_or_null(transport_start_reading(t)))
TABLE(table_resume_reading, resume_reading(t))
TABLE(table_get_write_buffer_size, method_get_write_buffer_size(t, NULL))
TABLE(table_set_limits, method_set_limits(t, arg))
TABLE(table_call_connection_lost, method_call_connection_lost(t, arg))
TABLE(table_force_close, none_or_null(transport_force_close(t, arg == Py_None ? NULL : arg)))

GETTER(table_get_protocol_member, Py_XNewRef(t->protocol))
GETTER(table_get_file, Py_XNewRef(t->sock))

static PyObject *set_protocol(TransportObject *t, PyObject *protocol) {
    Py_XSETREF(t->protocol, Py_NewRef(protocol));
    Py_RETURN_NONE;
}

TAKES_ONE(table_set_protocol, "set_protocol", "protocol", TransportObject, set_protocol)

GUARDED_ONE(TransportObject, method_extra_parts)
GUARDED_ONE(TransportObject, method_keep_extra)

static GETTER(get_server, Py_XNewRef(t->server))

/* Of two sockets that are made of a descriptor at a time, the first stands. */
static PyObject *keep_file(TransportObject *t, PyObject *sock) {
    if (!t->sock && t->fd >= 0) t->sock = Py_NewRef(sock);
    Py_RETURN_NONE;
}

GUARDED_ONE(TransportObject, keep_file)

static PyMethodDef methods[] = {
    COMMON_METHODS,
    READING_METHODS,
    WRITING_METHODS,
    METHOD("close", table_close, METH_NOARGS, CLOSE_DOC),
    METHOD("_keep_file", GUARDED(keep_file), METH_O, NULL),
    METHOD("_extra_parts", GUARDED(method_extra_parts), METH_NOARGS, NULL),
    METHOD("_keep_extra", GUARDED(method_keep_extra), METH_O, NULL),
    {0}};

static PyMemberDef members[] = {
    COMMON_MEMBERS,
    {"_known", T_OBJECT, offsetof(TransportObject, extra), READONLY, "_extra, or None."},
    {"_paused", T_BOOL, offsetof(TransportObject, paused), READONLY, NULL},
    {"_sock_fd", T_INT, offsetof(TransportObject, fd), READONLY, NULL},
    {"_conn_lost", T_INT, offsetof(TransportObject, conn_lost), READONLY, NULL},
    {"_protocol_paused", T_BOOL, offsetof(TransportObject, protocol_paused), READONLY, NULL},
    {0}};

static PyGetSetDef getset[] = {{"_server", get_server, NULL, NULL, NULL}, COMMON_GETSET, {0}};

/* ---- life ---- */

/* loop goes last. */
#define REFERENCES(X) \
    X(extra) X(protocol) X(sock) X(former_sock) X(server) X(sockname) X(context) X(held) X(end) X(dict)

int transport_traverse(PyObject *self, visitproc visit, void *arg) {
    TransportObject *t = (TransportObject *)self;
    Py_VISIT(Py_TYPE(t));
    Py_VISIT(t->loop);
#define X(n) Py_VISIT(t->n);
    REFERENCES(X)
#undef X
    return 0;
}

int transport_clear(PyObject *self) {
    TransportObject *t = (TransportObject *)self;
    attached_drop(t);
#define X(n) Py_CLEAR(t->n);
    REFERENCES(X)
#undef X
    return 0;
}

/* As asyncio's __del__ from Python 3.13 on, whose _detach() fails for a server that nobody waits for any more. */
static void leave_server(TransportObject *t) {
    if (t->attach_takes_transport && !t->lost && transport_detach_from(t) < 0) PyErr_Clear();
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
    int rc;
    GUARD(t->loop->guard)
    rc = transport_release(t);
    UNGUARD
    if (rc < 0) PyErr_WriteUnraisable(self);
    leave_server(t);
    if (pending) PyErr_SetRaisedException(pending);
}

void transport_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0) return;
    PyObject_GC_UnTrack(self);
    attached_drop(TRANSPORT(self)); /* before what it calls can find it there */
    PyObject_ClearWeakRefs(self);
    type->tp_clear(self);
    transport_forget_addresses(TRANSPORT(self));
    Py_CLEAR(((TransportObject *)self)->loop);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {{Py_tp_doc, "What the transports of goloop have in common."},
                              LIFE_SLOTS,
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {Py_tp_getset, getset},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._Transport", sizeof(TransportObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                           slots};

int methods_setup(PyObject *module) {
    if (callbacks_setup(module) < 0) return -1;
    static const Place places[] = {{"_extra", offsetof(TransportObject, extra)},
                                   {"_loop", offsetof(TransportObject, loop)},
                                   {NULL, offsetof(TransportObject, protocol)}};
    return (state_of(module)->types.Transport = new_type_over(module, &spec, "goloop.transports", "Transport", places)) ? 0 : -1;
}

PyTypeObject *new_kind(PyObject *module, PyType_Spec *spec, const char *name) {
    PyObject *own = import_attribute("goloop.transports", name);
    PyObject *bases = own ? PyTuple_Pack(2, (PyObject *)state_of(module)->types.Transport, own) : NULL;
    PyTypeObject *type = bases ? new_type(module, spec, bases) : NULL;
    Py_XDECREF(bases);
    Py_XDECREF(own);
    return type;
}
