/* A datagram socket, connected or not. When a datagram leaves: sending.c;
 * those that gather leave in few system calls. */
#include "datagram.h"

#include <stddef.h>
#include <structmember.h>
#include <sys/socket.h>

#include "callback.h"
#include "ending.h"
#include "engine.h"
#include "errors.h"
#include "flow.h"
#include "methods.h"
#include "sending.h"
#include "sockaddr.h"

#if PY_VERSION_HEX >= 0x030D0000
enum { HEADER = 8, SENDS_EMPTY = 1 }; /* bytes that asyncio counts for each datagram it keeps */
#else
enum { HEADER = 0, SENDS_EMPTY = 0 };
#endif

/* The address of a recent sender, so that its next datagram and the answer to it cost no conversion. The engine says
 * which of GL_PEERS places is its own. */
typedef struct Peer {
    PyObject *address; /* as datagram_received had it, or NULL */
    uint8_t raw[28];
    uint8_t len;
} Peer;

typedef struct DatagramObject {
    TRANSPORT_FIELDS
    PyObject *address; /* of remote_addr, or None */
    bool connected;    /* to a peer with a name, to which everything goes that is sent */
    bool has_peer;     /* to one without a name, as far as is known: what names no address goes there */
    Peer *peers;       /* GL_PEERS of them, once something was received */
    Peer target;       /* of the last datagram that went to none of them */
    uint8_t by_object[GL_PEERS]; /* index into peers, by hash of address as an object */
} DatagramObject;

/* One datagram on its way to the kernel: kept alive as the bytes of a WRITE are. */
typedef struct Message {
    PyObject_HEAD
    PyObject *data;
    gl_message wire;
    struct sockaddr_storage address;
} Message;

static void message_dealloc(Message *m) {
    PyTypeObject *type = Py_TYPE(m);
    Py_DECREF(m->data);
    PyObject_Free(m);
    Py_DECREF(type);
}

/* ---- addresses ---- */

static uint8_t *index_of(DatagramObject *t, PyObject *address) {
    return &t->by_object[((uintptr_t)address >> 4) & (GL_PEERS - 1)];
}

/* The address that a datagram came from, as recvfrom() gives it. */
static PyObject *new_sender(DatagramObject *t, const void *raw, socklen_t len, uint16_t place) {
    gl_address a;
    if (t->family == AF_UNIX) return new_path(raw, len);
    if (!t->peers && !(t->peers = PyMem_Calloc(GL_PEERS, sizeof *t->peers))) return PyErr_NoMemory();
    Peer *p = &t->peers[place];
    if (p->address && p->len == len && memcmp(p->raw, raw, len) == 0) return Py_NewRef(p->address);
    int32_t rc = t->loop->api->address(raw, len, &a);
    PyObject *address = rc < 0 ? none_or_null(engine_error(t->loop, rc)) : new_address(&a);
    if (!address || len > sizeof p->raw) return address;
    memcpy(p->raw, raw, len);
    p->len = (uint8_t)len;
    *index_of(t, address) = (uint8_t)place;
    Py_XSETREF(p->address, Py_NewRef(address));
    return address;
}

static const Peer *peer_of(DatagramObject *t, PyObject *address) {
    Peer *p = t->peers ? &t->peers[*index_of(t, address)] : NULL;
    return p && p->address == address ? p : t->target.address == address ? &t->target : NULL;
}

/* Of a text and numbers that are nobody's class: the same object stands for the same address for ever. */
static bool is_constant(PyObject *address) {
    bool constant = PyTuple_CheckExact(address) && PyUnicode_CheckExact(PyTuple_GET_ITEM(address, 0));
    for (Py_ssize_t i = 1; constant && i < PyTuple_GET_SIZE(address); i++) constant = PyLong_CheckExact(PyTuple_GET_ITEM(address, i));
    return constant;
}

/* Writes where a message goes. 0 when only socket.sendto can tell. */
static bool encode(DatagramObject *t, PyObject *address, Message *m) {
    int32_t len;
    const Peer *p = peer_of(t, address);
    if (p) {
        memcpy(&m->address, p->raw, p->len);
        len = p->len;
    } else {
        gl_name name;
        PyObject *text = new_text(address, t->family, &name);
        len = text ? t->loop->api->sockaddr(&name, &m->address) : 0;
        Py_XDECREF(text);
        if (len <= 0) return false;
        if (is_constant(address)) {
            memcpy(t->target.raw, &m->address, sizeof t->target.raw);
            t->target.len = (uint8_t)len;
            Py_XSETREF(t->target.address, Py_NewRef(address));
        }
    }
    m->wire.addr = (uintptr_t)&m->address;
    m->wire.addr_len = len;
    return true;
}

/* ---- sending ---- */

/* asyncio's way with an error of one datagram: those of the system are the
 * protocol's to know, any other ends the transport. */
static int send_failed(DatagramObject *t) {
    PyObject *exception = PyErr_GetRaisedException();
    if (!PyErr_GivenExceptionMatches(exception, PyExc_OSError))
        return transport_fatal(TRANSPORT(t), exception, "Fatal write error on datagram transport");
    PyObject *protocol = Py_NewRef(t->protocol);
    int rc = call_method_drop(protocol, t->loop->state->names.error_received, exception);
    Py_DECREF(protocol);
    Py_DECREF(exception);
    return rc;
}

static int refused(TransportObject *t, int error) {
    raise_errno(error);
    return send_failed((DatagramObject *)t);
}

/* Sends or appends a datagram. Borrows the message. */
static int submit(DatagramObject *t, Message *m) {
    if (!transport_owns_number(TRANSPORT(t))) return send_failed(t);
    bool gathers = transport_gathers(TRANSPORT(t));
    gl_sqe s = {.op = GL_OP_SEND, .fd = t->fd, .gen = t->gen, .len = m->wire.len + HEADER};
    s.ptr = (uintptr_t)&m->wire;
    s.user = (uintptr_t)Py_NewRef((PyObject *)m);
    if (!gathers && transport_sends_now(TRANSPORT(t))) {
        s.flags = GL_SEND_ALONE;
        return transport_send(TRANSPORT(t), &s) < 0 ? -1 : transport_maybe_pause(TRANSPORT(t));
    }
    if (transport_append(TRANSPORT(t), &s) < 0 || (!gathers && transport_flush(TRANSPORT(t)) < 0)) return -1;
    return transport_maybe_pause(TRANSPORT(t));
}

/* A host name, a scope, anything that is not plain: socket.sendto knows it, and
 * has the exception for what is wrong. When the kernel has no room, the address is
 * resolved and the datagram queued behind the others. So it is without an address, once the socket is known to have a peer. */
static int send_by_socket(DatagramObject *t, Message *m, PyObject *address) {
    if (t->unsent && transport_flush(TRANSPORT(t)) < 0) return -1;
    PyObject *found = PyObject_CallMethod((PyObject *)t->loop, "_send_by_socket", "OOON", t->sock, m->data, address,
                                          PyBool_FromLong(t->buffered > 0));
    bool sent = found == Py_None, to_peer = found == Py_True;
    t->has_peer |= to_peer;
    if (found && !sent && !to_peer && !encode(t, found, m)) PyErr_Format(PyExc_OSError, "no numeric address in %R", found);
    Py_XDECREF(found);
    return PyErr_Occurred() ? send_failed(t) : sent ? 0 : submit(t, m);
}

static int send_to(DatagramObject *t, PyObject *data, PyObject *address) {
    if (engine_usable(t->loop) < 0) return -1;
    PyObject *bytes = new_immutable(data);
    Message *m = bytes ? PyObject_New(Message, t->loop->state->types.Message) : NULL;
    if (!m) {
        Py_XDECREF(bytes);
        return -1;
    }
    m->data = bytes;
    m->wire = (gl_message){.ptr = (uintptr_t)PyBytes_AS_STRING(bytes), .len = PyBytes_GET_SIZE(bytes)};
    bool to_peer = t->connected || (address == Py_None && t->has_peer);
    int rc = to_peer || encode(t, address, m) ? submit(t, m) : send_by_socket(t, m, address);
    Py_DECREF(m);
    return rc;
}

static PyObject *method_sendto(DatagramObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    static const char *const names[] = {"data", "addr"};
    PyObject *given[2];
    if (take_named((PyObject *)t, "sendto", names, 2, args, n, kwnames, given) < 0) return NULL;
    PyObject *data = given[0], *address = given[1] ? given[1] : Py_None;
    if (!is_data(data))
        return PyErr_Format(PyExc_TypeError, "data argument must be a bytes-like object, not '%.200s'", Py_TYPE(data)->tp_name);
    Py_ssize_t length = SENDS_EMPTY ? 1 : PyObject_Length(data);
    if (length <= 0) return length < 0 ? NULL : Py_NewRef(Py_None);
    bool bound = t->address != Py_None;
    if (bound) {
        int own = address == Py_None ? 1 : PyObject_RichCompareBool(address, t->address, Py_EQ);
        if (own == 0) PyErr_Format(PyExc_ValueError, "Invalid address: must be None or %S", t->address);
        if (own <= 0) return NULL;
        address = t->address;
    }
    if (t->lost || (t->conn_lost && bound)) return none_or_null(transport_warn_lost(TRANSPORT(t), &t->conn_lost));
    return none_or_null(send_to(t, data, address));
}

/* ---- receiving ---- */

/* asyncio calls the protocol from a handle of the loop: what it raises is told, and
 * the transport goes on. The transport's context is entered already, or enter says that
 * it shall be. */
static int told(DatagramObject *t, bool enter, PyObject *name, PyObject *what, PyObject *from, enum callback_name caller) {
    PyObject *argv[3] = {t->protocol, what, from};
    PyObject *protocol = Py_NewRef(t->protocol), *context = enter ? new_entered(TRANSPORT(t)) : NULL;
    int rc = context || !enter ? call_method_of(name, argv, from ? 3 : 2) : -1;
    if (context) steal_entered(context);
    if (rc < 0) rc = transport_callback_failed(TRANSPORT(t), PyErr_GetRaisedException(), caller);
    Py_DECREF(protocol);
    return rc;
}

/* One datagram that is lost for want of memory is told, and the socket goes on. */
static int on_received(DatagramObject *t, gl_cqe *c) {
    if (t->closing || !t->protocol) return 0;
    PyObject *data = PyBytes_FromStringAndSize((const char *)(uintptr_t)c->ptr, (Py_ssize_t)c->len);
    PyObject *address = data ? new_sender(t, (const void *)(uintptr_t)c->user, (socklen_t)c->res, c->flags) : NULL;
    int rc = -1;
    if (address && !t->paused && !t->held) {
        rc = told(t, true, t->loop->state->names.datagram_received, data, address, DATAGRAM_READ);
    } else {
        PyObject *both = address ? PyTuple_Pack(2, data, address) : NULL;
        rc = both ? transport_hold(TRANSPORT(t), both) : -1;
        Py_XDECREF(both);
        if (rc < 0) rc = tell_unless_exit(t->loop, "A datagram was lost", PyErr_GetRaisedException(), (PyObject *)t, t->protocol);
    }
    Py_XDECREF(address);
    Py_XDECREF(data);
    return rc;
}

static int on_failed(DatagramObject *t, int error, int direction) {
    /* Of what was sent before close() the protocol hears until connection_lost. */
    if (t->lost || !t->protocol || (t->conn_lost && !(direction & GL_WRITE))) return 0;
    PyObject *exception = new_os_error(error);
    if (direction & GL_FATAL) return transport_fatal(TRANSPORT(t), exception, "Fatal error on datagram transport");
    int rc = told(t, true, t->loop->state->names.error_received, exception, NULL, direction & GL_WRITE ? DATAGRAM_SEND : DATAGRAM_READ);
    Py_DECREF(exception);
    return rc;
}

static int arrived(LoopObject *loop, PyObject *owner, gl_cqe *c) {
    DatagramObject *t = (DatagramObject *)owner;
    (void)loop;
    switch (c->kind) {
    case GL_DATAGRAM:
        return on_received(t, c);
    case GL_ERROR:
        return on_failed(t, c->res, c->flags);
    case GL_WROTE:
        return transport_wrote(TRANSPORT(t), c->len);
    }
    return 0;
}

/* In the transport's context: what was held. */
static int deliver_held(TransportObject *transport) {
    DatagramObject *t = (DatagramObject *)transport;
    int rc = 0;
    while (rc == 0 && t->held && !t->paused && !t->closing && t->protocol) {
        PyObject *both = Py_NewRef(borrow_held(transport));
        transport_taken(transport);
        rc = told(t, false, t->loop->state->names.datagram_received, PyTuple_GET_ITEM(both, 0), PyTuple_GET_ITEM(both, 1), DATAGRAM_READ);
        Py_DECREF(both);
    }
    return rc;
}

/* ---- the type ---- */

static const TransportKind kind = {.asks = {transport_file, transport_keeps, transport_evict, transport_forgotten, arrived},
                                   .lost_name = DATAGRAM_LOST,
                                   .written_after_end = SEND_FAILED,
                                   .errors_follow = true,
                                   .must_tell = transport_must_tell,
                                   .wrote = transport_wrote,
                                   .send_failed = refused,
                                   .deliver_held = deliver_held,
                                   .connection_lost = method_call_connection_lost};

/* _datagram_transport(sock, fd, family, protocol, address, extra, connected) -> transport: around a
 * non-blocking datagram socket of IPv4, IPv6 or Unix, not reading yet. connected: to a peer with a name. */
PyObject *loop_datagram_transport(LoopObject *loop, PyObject *args) {
    Parts parts = {.file = NULL};
    PyObject *sock, *address;
    int family, connected;
    if (!PyArg_ParseTuple(args, "OiiOOOp", &sock, &parts.fd, &family, &parts.protocol, &address, &parts.extra, &connected)) return NULL;
    if (engine_usable(loop) < 0) return NULL;
    DatagramObject *t = (DatagramObject *)new_transport(loop->state->types.Datagram, &kind, loop, &parts);
    if (!t) return NULL;
    t->family = family;
    t->connected = connected;
    t->address = Py_NewRef(address);
    if (transport_attach(TRANSPORT(t), GL_OP_DATAGRAM, 0) < 0) return transport_unmake(TRANSPORT(t));
    t->sock = Py_NewRef(sock); /* not before: a pipe's transport may have the number yet, whose file others closed */
    return (PyObject *)t;
}

#ifdef Py_GIL_DISABLED
static PyObject *guard_of_DatagramObject(DatagramObject *t) { return t->loop->guard; }
#endif
GUARDED_CALL(DatagramObject, method_sendto)

static PyMethodDef methods[] = {
    {"sendto", (PyCFunction)(void (*)(void))GUARDED(method_sendto), METH_FASTCALL | METH_KEYWORDS,
     "sendto($self, data, addr=None)\n--\n\nSend one datagram; what one turn sends leaves together. Raises TypeError and, for an\n"
     "address that is not the transport's own, ValueError. See asyncio.DatagramTransport.sendto."},
    {0}};

static PyMemberDef members[] = {{"_address", T_OBJECT, offsetof(DatagramObject, address), READONLY, NULL}, {0}};

static int datagram_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((DatagramObject *)self)->address);
    return transport_traverse(self, visit, arg);
}

static int datagram_clear(PyObject *self) {
    DatagramObject *t = (DatagramObject *)self;
    Py_CLEAR(t->address);
    Peer *peers = t->peers;
    t->peers = NULL;
    for (int i = 0; peers && i < GL_PEERS; i++) Py_XDECREF(peers[i].address); /* of strings and numbers */
    PyMem_Free(peers);
    Py_CLEAR(t->target.address);
    return transport_clear(self);
}

static PyType_Slot slots[] = {{Py_tp_doc, "A datagram socket; see asyncio.DatagramTransport."},
                              {Py_tp_traverse, datagram_traverse},
                              {Py_tp_clear, datagram_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._SelectorDatagramTransport", sizeof(DatagramObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

static PyType_Slot message_slots[] = {{Py_tp_dealloc, message_dealloc}, {0, NULL}};
static PyType_Spec message_spec = {"goloop._core._Message", sizeof(Message), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, message_slots};

int datagram_setup(PyObject *module) {
    State *state = state_of(module);
    if (!(state->types.Datagram = new_kind(module, &spec, "Datagram"))) return -1;
    return (state->types.Message = new_type(module, &message_spec, NULL)) ? 0 : -1;
}
