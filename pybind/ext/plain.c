/* Plain sockets: those whose descriptor the engine may read, write, connect and accept on,
 * because the methods that it goes past would do just that.
 *
 * Programs put something between: a proxy's class in the place of socket.socket, a guard in the
 * place of its connect, a subclass with a recv of its own. So a socket is plain when it is one
 * of _socket.socket, whose own methods nobody can replace, and when what its class finds under
 * their names are these. accept is the standard library's, in Python: its own code, from its own
 * file, whatever stood in its place when goloop was imported. */
#include "plain.h"

static bool look_at_class(State *state, PyTypeObject *type) {
    const Plain *own = &state->plain;
    PyTypeObject *c_socket = (PyTypeObject *)own->c_socket;
    if (!PyType_IsSubtype(type, c_socket) || type->tp_getattro != c_socket->tp_getattro) return false;
    bool plain = true;
    for (Py_ssize_t i = 0; plain && i < PyTuple_GET_SIZE(own->names); i++)
        plain = attribute_is((PyObject *)type, PyTuple_GET_ITEM(own->names, i), PyTuple_GET_ITEM(own->methods, i));
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
    for (Py_ssize_t i = 0; attributes && plain && i < PyTuple_GET_SIZE(state->plain.names); i++)
        plain = !PyDict_Check(attributes) || PyDict_Contains(attributes, PyTuple_GET_ITEM(state->plain.names, i)) == 0;
    Py_XDECREF(attributes);
    return plain;
}

/* Whether accept() of a plain socket makes plain sockets: it asks for socket.socket. */
bool accepts_plain_sockets(State *state) {
    return attribute_is(state->plain.module, state->names.socket, state->imports.socket) &&
           class_is_plain(state, (PyTypeObject *)state->imports.socket);
}

/* What the socket's own method says, whatever a program has put in its place. */
int number_of_socket(State *state, PyObject *sock) {
    PyObject *number = PyObject_Vectorcall(state->plain.fileno, &sock, 1, NULL);
    int fd = number ? (int)PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return fd;
}

PyObject *is_plain(PyObject *module, PyObject *sock) {
    return PyBool_FromLong(socket_is_plain(state_of(module), sock));
}

PyObject *accepts_plain(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(accepts_plain_sockets(state_of(module)));
}
