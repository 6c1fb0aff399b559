/* StreamTransport: a connected TCP or Unix stream. What it shares with other
 * transports is in transport.c, its two directions in stream_write.c and
 * stream_read.c. */
#include "transport.h"

PyTypeObject *Stream_Type;

static void set_protocol(StreamObject *t, PyObject *protocol) {
    int buffered = PyObject_IsInstance(protocol, imports.buffered_protocol);
    if (buffered < 0) PyErr_Clear();
    t->buffered_protocol = buffered == 1;
    t->drains = has_drain(protocol);
    Py_XSETREF(t->protocol, Py_NewRef(protocol));
}

StreamObject *new_stream(LoopObject *loop, int fd, PyObject *protocol, PyObject *context) {
    StreamObject *t = (StreamObject *)Stream_Type->tp_alloc(Stream_Type, 0);
    if (!t) return NULL;
    if (transport_init(TRANSPORT(t), loop, fd, context) < 0) {
        Py_DECREF(t);
        return NULL;
    }
    set_protocol(t, protocol);
    return t;
}

int stream_attach(StreamObject *t) {
    return transport_attach(TRANSPORT(t), FD_STREAM, GL_OP_ATTACH, 0);
}

/* connected_stream(loop, sock, fd, protocol, extra, server, attach_takes_transport, context) -> StreamTransport:
 * around a connected socket, not reading yet. extra: what get_extra_info knows; None, for
 * internet sockets only, is the socket and its addresses, found when asked for. context: of its callbacks, or None. */
PyObject *connected_stream(PyObject *module, PyObject *args) {
    (void)module;
    LoopObject *loop;
    PyObject *sock, *protocol, *extra, *server, *context;
    int fd, takes_transport;
    if (!PyArg_ParseTuple(args, "O!OiOOOpO", Loop_Type, &loop, &sock, &fd, &protocol, &extra, &server, &takes_transport,
                          &context))
        return NULL;
    if (engine_usable(loop) < 0) return NULL;
    StreamObject *t = new_stream(loop, fd, protocol, context == Py_None ? NULL : context);
    if (!t) return NULL;
    t->sock = Py_NewRef(sock);
    if (extra != Py_None)
        t->extra = Py_NewRef(extra);
    else
        transport_keep_peer(TRANSPORT(t));
    t->attach_takes_transport = takes_transport;
    if (server != Py_None) {
        PyObject *argv[2] = {server, (PyObject *)t};
        PyObject *r = PyObject_VectorcallMethod(names._attach, argv, takes_transport ? 2 : 1, NULL);
        if (!r) goto failed;
        Py_DECREF(r);
        t->server = Py_NewRef(server);
    }
    if (stream_attach(t) < 0) goto failed;
    return (PyObject *)t;
failed:
    if (t->server) {
        PyObject *exception = PyErr_GetRaisedException();
        PyObject *argv[2] = {t->server, (PyObject *)t};
        PyObject *r = PyObject_VectorcallMethod(names._detach, argv, takes_transport ? 2 : 1, NULL);
        if (!r) PyErr_WriteUnraisable(t->server);
        Py_XDECREF(r);
        PyErr_SetRaisedException(exception);
    }
    Py_CLEAR(t->sock); /* the caller's again */
    t->fd = -1;
    t->lost = true;
    Py_DECREF(t);
    return NULL;
}

/* ---- methods ---- */

static PyObject *can_write_eof(StreamObject *t, PyObject *i) { (void)t; (void)i; Py_RETURN_TRUE; }

static PyObject *stream_set_protocol(StreamObject *t, PyObject *protocol) {
    set_protocol(t, protocol);
    Py_RETURN_NONE;
}

static TAKES_ONE(method_write, "write", "data", StreamObject, stream_write)
static TAKES_ONE(method_writelines, "writelines", "list_of_data", StreamObject, stream_writelines)
static TAKES_ONE(method_set_stream_protocol, "set_protocol", "protocol", StreamObject, stream_set_protocol)

static PyMethodDef methods[] = {
    METHOD("write", method_write, METH_FASTCALL | METH_KEYWORDS, "write(data)\n--\n\nQueue bytes; all that one turn writes leaves together. See asyncio.WriteTransport.write."),
    METHOD("writelines", method_writelines, METH_FASTCALL | METH_KEYWORDS, "writelines(list_of_data)\n--\n\nwrite() of each, without joining them."),
    METHOD("write_eof", stream_write_eof, METH_NOARGS, "write_eof()\n--\n\nEnd of file to the peer after what is queued."),
    METHOD("can_write_eof", can_write_eof, METH_NOARGS, "can_write_eof()\n--\n\nTrue."),
    METHOD("set_protocol", method_set_stream_protocol, METH_FASTCALL | METH_KEYWORDS, "set_protocol(protocol)\n--\n\nDeliver to another protocol from now on."),
    METHOD("_make_empty_waiter", stream_make_empty_waiter, METH_NOARGS, NULL),
    METHOD("_reset_empty_waiter", stream_reset_empty_waiter, METH_NOARGS, NULL),
    {0}};

static PyMemberDef members[] = {{"_eof", T_BOOL, offsetof(StreamObject, eof_written), READONLY, NULL}, {0}};

/* ---- life ---- */

static int stream_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((StreamObject *)self)->empty_waiter);
    return transport_traverse(self, visit, arg);
}

static int stream_clear(PyObject *self) {
    Py_CLEAR(((StreamObject *)self)->empty_waiter);
    return transport_clear(self);
}

static PyType_Slot slots[] = {{Py_tp_doc, "A connected stream; see asyncio.Transport."},
                              {Py_tp_traverse, stream_traverse},
                              {Py_tp_clear, stream_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core.StreamTransport", sizeof(StreamObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int stream_setup(PyObject *module) {
    PyObject *bases = PyTuple_Pack(1, (PyObject *)Transport_Type);
    if (!bases) return -1;
    Stream_Type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, bases);
    Py_DECREF(bases);
    if (!Stream_Type || PyModule_AddType(module, Stream_Type) < 0) return -1;
    /* What BaseEventLoop.start_tls and sendfile look for. */
    PyObject *constants = PyImport_ImportModule("asyncio.constants");
    PyObject *modes = constants ? PyObject_GetAttrString(constants, "_SendfileMode") : NULL;
    PyObject *native = modes ? PyObject_GetAttrString(modes, "TRY_NATIVE") : NULL;
    int rc = -1;
    if (native && PyObject_SetAttrString((PyObject *)Stream_Type, "_sendfile_compatible", native) == 0 &&
        PyObject_SetAttrString((PyObject *)Stream_Type, "_start_tls_compatible", Py_True) == 0)
        rc = 0;
    Py_XDECREF(native);
    Py_XDECREF(modes);
    Py_XDECREF(constants);
    return rc;
}
