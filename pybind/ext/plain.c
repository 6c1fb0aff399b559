/* Plain sockets: those whose descriptor the engine may read, write, connect and accept on,
 * because the methods that it goes past would do just that.
 *
 * Programs put something between: a proxy's class in the place of socket.socket, a guard in the
 * place of its connect, a subclass with a recv of its own. So a socket is plain when it is one
 * of _socket.socket, whose own methods nobody can replace, and when what its class finds under
 * their names are these. accept is the standard library's, in Python: its own code, from its own
 * file, whatever stood in its place when goloop was imported. */
#include "plain.h"

/* What asyncio calls on the sockets of transports, of servers and of connects. */
static const char *const METHODS[] = {"accept",     "_accept",     "connect", "connect_ex", "recv",   "recv_into",
                                      "recvfrom",   "recvfrom_into", "send",  "sendmsg",    "sendto", "shutdown",
                                      "getsockname", "getpeername", "fileno"};
_Static_assert(sizeof METHODS / sizeof *METHODS == PLAIN_METHODS, "one place for each");

static bool look_at_class(State *state, PyTypeObject *type) {
    const Plain *own = &state->plain;
    PyTypeObject *c_socket = (PyTypeObject *)own->c_socket;
    if (!PyType_IsSubtype(type, c_socket) || type->tp_getattro != c_socket->tp_getattro) return false;
    bool plain = true;
    for (int i = 0; plain && i < PLAIN_METHODS; i++) {
        PyObject *found = PyObject_GetAttr((PyObject *)type, own->names[i]);
        if (!found) PyErr_Clear();
        plain = found && found == own->methods[i];
        Py_XDECREF(found);
    }
    return plain;
}

/* What was found of the standard library's class is known while its version is the same. In plain_seen: the
 * version, and whether it was plain; 0: not known. */
static bool class_is_plain(State *state, PyTypeObject *type) {
    if (type != (PyTypeObject *)state->imports.socket) return look_at_class(state, type);
    uint64_t version = class_version(type), seen = atomic_load(&state->plain_seen);
    if (version && version == seen >> 1) return seen & 1;
    bool plain = look_at_class(state, type);
    atomic_store(&state->plain_seen, (uint64_t)class_version(type) << 1 | plain);
    return plain;
}

bool socket_is_plain(State *state, PyObject *sock) {
    PyTypeObject *type = Py_TYPE(sock);
    if (!class_is_plain(state, type)) return false;
    if (type == (PyTypeObject *)state->imports.socket) return true; /* it has no attributes of its own */
    PyObject *attributes = PyObject_GetAttrString(sock, "__dict__");
    bool plain = true;
    if (!attributes) PyErr_Clear();
    for (int i = 0; attributes && plain && i < PLAIN_METHODS; i++)
        plain = !PyDict_Check(attributes) || PyDict_Contains(attributes, state->plain.names[i]) == 0;
    Py_XDECREF(attributes);
    return plain;
}

/* Whether accept() of a plain socket makes plain sockets: it asks for socket.socket. */
bool accepts_plain_sockets(State *state) {
    PyObject *now = PyObject_GetAttr(state->plain.module, state->names.socket);
    if (!now) PyErr_Clear();
    bool same = now == state->imports.socket;
    Py_XDECREF(now);
    return same && class_is_plain(state, (PyTypeObject *)state->imports.socket);
}

PyObject *is_plain(PyObject *module, PyObject *sock) {
    return PyBool_FromLong(socket_is_plain(state_of(module), sock));
}

PyObject *accepts_plain(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(accepts_plain_sockets(state_of(module)));
}

static PyObject *new_attribute(PyObject *o, const char *first, const char *second, const char *third) {
    const char *path[] = {first, second, third};
    Py_XINCREF(o);
    for (int i = 0; o && i < 3 && path[i]; i++) {
        PyObject *next = PyObject_GetAttrString(o, path[i]);
        Py_DECREF(o);
        o = next;
    }
    return o;
}

static bool is_named_socket(PyObject *cls) {
    static const char *const attributes[] = {"__module__", "__qualname__"};
    bool same = PyType_Check(cls);
    for (int i = 0; same && i < 2; i++) {
        PyObject *text = PyObject_GetAttrString(cls, attributes[i]);
        if (!text) PyErr_Clear();
        same = text && PyUnicode_Check(text) && PyUnicode_CompareWithASCIIString(text, "socket") == 0;
        Py_XDECREF(text);
    }
    return same;
}

/* The standard library's socket.socket, which a program may have replaced before. */
static PyObject *new_socket_class(PyObject *c_socket) {
    PyObject *direct = PyObject_CallMethod(c_socket, "__subclasses__", NULL);
    PyObject *found = NULL;
    for (Py_ssize_t i = 0; direct && !found && i < PyList_GET_SIZE(direct); i++)
        if (is_named_socket(PyList_GET_ITEM(direct, i))) found = Py_NewRef(PyList_GET_ITEM(direct, i));
    if (direct && !found) PyErr_SetString(PyExc_ImportError, "goloop: there is no socket.socket over _socket.socket");
    Py_XDECREF(direct);
    return found;
}

/* accept() of the class, if its code stands in the file of the standard library's socket. */
static PyObject *steal_accept(PyObject *socket_module, PyObject *accept) {
    PyObject *code = new_attribute(socket_module, "SocketIO", "readinto", "__code__");
    PyObject *file = code ? PyObject_GetAttrString(code, "co_filename") : NULL;
    PyObject *its = PyFunction_Check(accept) ? new_attribute(accept, "__code__", "co_filename", NULL) : NULL;
    PyErr_Clear();
    int same = file && its ? PyObject_RichCompareBool(file, its, Py_EQ) : 0;
    Py_XDECREF(its);
    Py_XDECREF(file);
    Py_XDECREF(code);
    if (same == 1) return accept;
    PyErr_Clear();
    Py_DECREF(accept);
    return NULL;
}

int plain_setup(State *state) {
    Plain *own = &state->plain;
    own->c_socket = import_attribute("_socket", "socket");
    own->module = own->c_socket ? PyImport_ImportModule("socket") : NULL;
    PyObject *class = state->imports.socket = own->module ? new_socket_class(own->c_socket) : NULL;
    if (!class) return -1;
    if (!(own->fileno = PyObject_GetAttrString(own->c_socket, "fileno")) ||
        !(own->gettimeout = PyObject_GetAttrString(own->c_socket, "gettimeout")))
        return -1;
    for (int i = 0; i < PLAIN_METHODS; i++) {
        own->names[i] = PyUnicode_InternFromString(METHODS[i]);
        own->methods[i] = own->names[i] ? PyObject_GetAttr(i ? own->c_socket : class, own->names[i]) : NULL;
        if (!own->methods[i]) return -1;
    }
    own->methods[0] = steal_accept(own->module, own->methods[0]);
    return 0;
}
