/* The type of streams. */
#include "stream.h"

#include "engine.h"
#include "extra.h"
#include "methods.h"
#include "sending.h"

static const TransportKind kind = {STREAM_KIND(STREAM_LOST, "socket transport", SEND_FAILED)};

/* What is known of a protocol once it is the transport's. */
static void look_at_protocol(StreamObject *t) {
    State *state = t->loop->state;
    int buffered = PyObject_IsInstance(t->protocol, state->imports.buffered_protocol);
    if (buffered < 0) PyErr_Clear();
    t->buffered_protocol = buffered == 1;
    t->drains = has_drain(state, t->protocol);
}

StreamObject *new_stream(LoopObject *loop, const Parts *parts) {
    StreamObject *t = (StreamObject *)new_transport(loop->state->types.Stream, &kind, loop, parts);
    if (t) look_at_protocol(t);
    return t;
}

int stream_attach(StreamObject *t) {
    return transport_attach(TRANSPORT(t), GL_OP_ATTACH, 0);
}

/* Tells the server of it, and the tables. */
static int connect_to(StreamObject *t, PyObject *server) {
    if (transport_attach_to(TRANSPORT(t), server) < 0) return -1;
    if (stream_attach(t) == 0) return 0;
    PyObject *exception = PyErr_GetRaisedException();
    if (transport_detach_from(TRANSPORT(t)) < 0) PyErr_WriteUnraisable(server);
    PyErr_SetRaisedException(exception);
    return -1;
}

/* _connected_stream(sock, fd, protocol, extra, server, attach_takes_transport, context) -> transport:
 * around a connected socket, not reading yet. extra: what get_extra_info knows; None, for
 * internet sockets only, is the socket and its addresses, found when asked for. context: of its callbacks, or None. */
PyObject *loop_connected_stream(LoopObject *loop, PyObject *args) {
    Parts parts;
    PyObject *server;
    int takes_transport;
    if (!PyArg_ParseTuple(args, "OiOOOpO", &parts.file, &parts.fd, &parts.protocol, &parts.extra, &server, &takes_transport,
                          &parts.context))
        return NULL;
    StreamObject *t = engine_usable(loop) < 0 ? NULL : new_stream(loop, &parts);
    if (!t) return NULL;
    if (!t->extra) transport_keep_peer(TRANSPORT(t));
    t->attach_takes_transport = takes_transport;
    return connect_to(t, server) == 0 ? (PyObject *)t : transport_unmake(TRANSPORT(t));
}

/* ---- methods ---- */

static PyObject *can_write_eof(StreamObject *t, PyObject *i) { (void)t; (void)i; Py_RETURN_TRUE; }

static PyObject *stream_set_protocol(StreamObject *t, PyObject *protocol) {
    Py_XSETREF(t->protocol, Py_NewRef(protocol));
    look_at_protocol(t);
    Py_RETURN_NONE;
}

static TAKES_ONE(method_writelines, "writelines", "list_of_data", StreamObject, stream_writelines)
static TAKES_ONE(method_set_stream_protocol, "set_protocol", "protocol", StreamObject, stream_set_protocol)
GUARDED_ONE(StreamObject, stream_write_eof)
GUARDED_ONE(StreamObject, stream_keep_empty_waiter)

static PyMethodDef methods[] = {
    METHOD("write", method_write, METH_FASTCALL | METH_KEYWORDS, WRITE_DOC),
    METHOD("writelines", method_writelines, METH_FASTCALL | METH_KEYWORDS, "writelines($self, list_of_data)\n--\n\nwrite() of each, without joining them."),
    METHOD("write_eof", GUARDED(stream_write_eof), METH_NOARGS, "write_eof($self, /)\n--\n\nEnd of file to the peer after what is queued."),
    METHOD("can_write_eof", can_write_eof, METH_NOARGS, "can_write_eof($self, /)\n--\n\nTrue."),
    METHOD("set_protocol", method_set_stream_protocol, METH_FASTCALL | METH_KEYWORDS, "set_protocol($self, protocol)\n--\n\nDeliver to another protocol from now on."),
    METHOD("_keep_empty_waiter", GUARDED(stream_keep_empty_waiter), METH_O, NULL),
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
static PyType_Spec spec = {"goloop._core._SelectorSocketTransport", sizeof(StreamObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int stream_setup(PyObject *module) {
    return (state_of(module)->types.Stream = new_kind(module, &spec, "Stream")) ? 0 : -1;
}
