/* TLS: the part of asyncio.sslproto that runs once per message. The standard library's class
 * decides everything else: handshake, shutdown, timeouts, flow control, errors. Its attributes
 * that a message needs are fields here, so that both sides work on the same state, and whatever
 * is not ordinary (paused, backlog, another state, a class of the program's) is left to its methods.
 *
 * This file has the types and the writing side, tls_read.c the reading side. */
#include "tls.h"

#include <stddef.h>
#include <structmember.h>

#include "errors.h"
#include "stream.h"

PyObject *tls_standard(PyObject *class, PyObject *self, PyObject *name, PyObject *arg) {
    return call_class(class, name, self, &arg, arg ? 1 : 0, NULL);
}

int tls_standard_drop(SSLProtocolObject *p, PyObject *name) {
    return steal_result(tls_standard(p->state->tls.protocol, (PyObject *)p, name, NULL));
}

bool tls_again(SSLProtocolObject *p) {
    if (!PyErr_ExceptionMatches(p->state->tls.again_errors)) return false;
    PyErr_Clear();
    return true;
}

/* The exception is being handled while _fatal_error runs, which logs its traceback. */
int tls_failed(SSLProtocolObject *p) {
#if PY_VERSION_HEX >= 0x030B0000
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyObject *exception = PyErr_GetRaisedException(), *outer = PyErr_GetHandledException();
    PyErr_SetHandledException(exception);
    int rc = steal_result(PyObject_CallMethod((PyObject *)p, "_fatal_error", "Os", exception, "Fatal error on SSL protocol"));
    PyErr_SetHandledException(outer);
    Py_XDECREF(outer);
    Py_DECREF(exception);
    return rc;
#else
    (void)p;
    return -1;
#endif
}

bool tls_takes_bytes(State *state, PyObject *protocol) {
    if (!state->types.SSLProtocol || !PyObject_TypeCheck(protocol, state->types.SSLProtocol)) return false;
    PyObject *incoming = ((SSLProtocolObject *)protocol)->_incoming;
    return incoming && (PyObject *)Py_TYPE(incoming) == state->tls.memory_bio;
}

/* ---- writing ---- */

/* Nothing waits to be encrypted: what is written now is next. */
static bool can_write(SSLProtocolObject *p) {
    return tls_ordinary(p) && p->_write_buffer_size == p->state->tls.zero && PyObject_Size(p->_write_backlog) == 0;
}

/* Bytes whose len() is their number. */
static bool is_plain_bytes(PyObject *data) {
    if (PyBytes_CheckExact(data) || PyByteArray_CheckExact(data)) return true;
    if (!PyMemoryView_Check(data)) return false;
    Py_buffer *view = PyMemoryView_GET_BUFFER(data);
    return view->ndim == 1 && view->itemsize == 1 && PyBuffer_IsContiguous(view, 'C');
}

/* Encrypts as much of data as goes, a record an SSL_write, and returns that; less than all with an exception. */
static Py_ssize_t encrypt(State *state, PyObject *inner, PyObject *data) {
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return 0;
    Py_ssize_t done = 0;
    bool failed = false;
    do {
        PyObject *rest = done ? PyMemoryView_FromMemory((char *)view.buf + done, view.len - done, PyBUF_READ) : Py_NewRef(data);
        PyObject *argv[2] = {inner, rest};
        PyObject *r = rest ? PyObject_VectorcallMethod(state->names.write, argv, 2, NULL) : NULL;
        Py_ssize_t n = r ? PyLong_AsSsize_t(r) : -1;
        Py_XDECREF(r);
        Py_XDECREF(rest);
        failed = n < 0;
        if (!failed) done += n;
    } while (!failed && done < view.len);
    PyBuffer_Release(&view);
    return done;
}

/* Writes n pieces: the rest of them waits in the backlog when OpenSSL takes no more. */
static int write_pieces(SSLProtocolObject *p, PyObject *const *pieces, Py_ssize_t n) {
    PyObject *inner = new_inner(p);
    if (!inner) return -1;
    Py_ssize_t i = 0, done = 0;
    for (; i < n && !PyErr_Occurred(); i++) done = encrypt(p->state, inner, pieces[i]);
    Py_DECREF(inner);
    if (PyErr_Occurred()) {
        PyObject *exception = PyErr_GetRaisedException();
        for (i--; i < n; i++, done = 0) {
            if (steal_result(PyObject_CallMethod((PyObject *)p, "_to_backlog", "On", pieces[i], done)) == 0) continue;
            Py_DECREF(exception);
            return -1;
        }
        PyErr_SetRaisedException(exception);
        if (!tls_again(p)) return -1;
    }
    return tls_process_outgoing(p);
}

/* Hands what is encrypted to the transport, and holds the protocol's writing back where too much waits. */
int tls_process_outgoing(SSLProtocolObject *p) {
    if (p->_ssl_writing_paused != Py_False || !p->_outgoing || (PyObject *)Py_TYPE(p->_outgoing) != p->state->tls.memory_bio)
        return tls_standard_drop(p, p->state->names._process_outgoing);
    PyObject *data = PyObject_CallMethodNoArgs(p->_outgoing, p->state->names.read);
    if (!data) return -1;
    int rc = 0;
    if (PyBytes_GET_SIZE(data)) {
        PyObject *transport = Py_NewRef(p->_transport ? p->_transport : Py_None);
        if (Py_IS_TYPE(transport, p->state->types.Stream))
            rc = steal_result(stream_write((StreamObject *)transport, data));
        else
            rc = call_method_drop(transport, p->state->names.write, data);
        Py_DECREF(transport);
    }
    Py_DECREF(data);
    if (rc < 0) return -1;
    if (p->_app_writing_paused == Py_False && p->_write_buffer_size == p->state->tls.zero && tls_above_zero(p, p->_outgoing_high_water))
        return 0; /* nothing waits here */
    return call_method_drop((PyObject *)p, p->state->names._control_app_writing, NULL);
}

static PyObject *process_outgoing(SSLProtocolObject *p, PyObject *ignored) {
    (void)ignored;
    return none_or_null(tls_process_outgoing(p));
}

static PyObject *write_appdata(SSLProtocolObject *p, PyObject *list) {
    bool plain = can_write(p) && (PyList_CheckExact(list) || PyTuple_CheckExact(list));
    PyObject *pieces = plain ? PySequence_Tuple(list) : NULL; /* a list may change while others run */
    if (plain && !pieces) return NULL;
    Py_ssize_t n = plain ? PyTuple_GET_SIZE(pieces) : 0;
    for (Py_ssize_t i = 0; plain && i < n; i++) plain = is_plain_bytes(PyTuple_GET_ITEM(pieces, i));
    if (!plain) {
        Py_XDECREF(pieces);
        return PyObject_CallMethodOneArg((PyObject *)p, p->state->names._write_slowly, list);
    }
    int rc = write_pieces(p, ((PyTupleObject *)pieces)->ob_item, n);
    Py_DECREF(pieces);
    return none_or_null(rc < 0 ? tls_failed(p) : 0);
}

/* Writes one piece, if nothing waits: 1, 0 when it has not, -1 with an exception. */
static int write_now(SSLProtocolObject *p, PyObject *const *piece) {
    int rc = 0;
    GUARD(p)
    if (can_write(p)) rc = write_pieces(p, piece, 1) < 0 && tls_failed(p) < 0 ? -1 : 1;
    UNGUARD
    return rc;
}

/* write(data) of the transport. */
static PyObject *transport_write(PyObject *self, PyTypeObject *defining, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    State *state = state_of_type(defining);
    if (n == 1 && !kwnames && PyBytes_CheckExact(args[0]) && PyBytes_GET_SIZE(args[0])) {
        PyObject *protocol = PyObject_GetAttr(self, state->names._ssl_protocol);
        if (!protocol) return NULL;
        SSLProtocolObject *p = (SSLProtocolObject *)protocol;
        int written = PyObject_TypeCheck(protocol, state->types.SSLProtocol) ? write_now(p, args) : 0;
        Py_DECREF(protocol);
        if (written) return none_or_null(written);
    }
    return call_class(state->tls.transport, state->names.write, self, args, n, kwnames);
}

/* ---- the types ---- */

#define GUARDED_METHODS(X)                                                                                             \
    X("get_buffer", METH_O, tls_get_buffer)                                                                            \
    X("buffer_updated", METH_O, tls_buffer_updated)                                                                    \
    X("_do_read", METH_NOARGS, tls_do_read)                                                                            \
    X("_feed", METH_O, tls_feed)                                                                                       \
    X("_is_cut", METH_NOARGS, tls_is_cut)                                                                              \
    X("_write_appdata", METH_O, write_appdata)                                                                         \
    X("_process_outgoing", METH_NOARGS, process_outgoing)

#define X(name, flags, f) GUARDED_ONE(SSLProtocolObject, f)
GUARDED_METHODS(X)
#undef X

#define X(name, flags, f) METHOD(name, GUARDED(f), flags, NULL),
static PyMethodDef protocol_methods[] = {GUARDED_METHODS(X){0}};
#undef X

#define X(n) {#n, T_OBJECT_EX, offsetof(SSLProtocolObject, n), 0, NULL},
static PyMemberDef protocol_members[] = {TLS_FIELDS(X){0}};
#undef X

static PyObject *protocol_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    SSLProtocolObject *p = (SSLProtocolObject *)type->tp_alloc(type, 0);
    if (p) p->state = state_of(borrow_module(type)); /* of a type, which keeps its module */
    return (PyObject *)p;
}

static int protocol_traverse(PyObject *self, visitproc visit, void *arg) {
    SSLProtocolObject *p = (SSLProtocolObject *)self;
    Py_VISIT(Py_TYPE(self));
#define X(n) Py_VISIT(p->n);
    TLS_FIELDS(X)
#undef X
    return 0;
}

static int protocol_clear(PyObject *self) {
    SSLProtocolObject *p = (SSLProtocolObject *)self;
#define X(n) Py_CLEAR(p->n);
    TLS_FIELDS(X)
#undef X
    return 0;
}

static void protocol_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    protocol_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot protocol_slots[] = {{Py_tp_doc, "What of asyncio.sslproto.SSLProtocol runs once per message."},
                                       {Py_tp_new, protocol_new},
                                       {Py_tp_dealloc, protocol_dealloc},
                                       {Py_tp_traverse, protocol_traverse},
                                       {Py_tp_clear, protocol_clear},
                                       {Py_tp_methods, protocol_methods},
                                       {Py_tp_members, protocol_members},
                                       {0, NULL}};
static PyType_Spec protocol_spec = {"goloop._core.SSLProtocol", sizeof(SSLProtocolObject), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, protocol_slots};

static PyMethodDef transport_methods[] = {
    METHOD("write", transport_write, METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL),
    {0}};
static PyType_Slot transport_slots[] = {{Py_tp_doc, "write() of the transport that TLS gives to a protocol."},
                                        {Py_tp_methods, transport_methods},
                                        {0, NULL}};
static PyType_Spec transport_spec = {"goloop._core.SSLTransport", sizeof(PyObject), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, transport_slots};

int tls_setup(PyObject *module) {
    State *state = state_of(module);
    state->tls_takes_bytes = tls_takes_bytes;
    state->tls_received = tls_received;
    if (!state->tls.protocol) return 0;
    if (!(state->types.SSLProtocol = new_type(module, &protocol_spec, NULL))) return -1;
    PyTypeObject *type = new_type(module, &transport_spec, NULL);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
