/* Plain sockets: those whose descriptor the engine may read, write, connect and accept on,
 * because the methods that it goes past would do just that.
 *
 * Programs put something between: a proxy's class in the place of socket.socket, a guard in the
 * place of its connect, a subclass with a recv of its own. So a socket is plain when it is one
 * of _socket.socket, whose own methods nobody can replace, and when what its class finds under
 * their names are these. accept is the standard library's, in Python: its own code, from its own
 * file, whatever stood in its place when goloop was imported.
 *
 * Here it is socket.socket itself that is looked at; classes that derive from it, once a connection, in
 * goloop.plainsocket. */
#include "plain.h"

/* What was found of the standard library's class is known while its version is the same. In plain_seen: the
 * version, and whether it was plain; 0: not known. */
bool sockets_are_plain(State *state) {
    const Plain *own = &state->plain;
    PyTypeObject *type = (PyTypeObject *)state->imports.socket;
    uint64_t version = class_version(type), seen = atomic_load(&state->plain_seen);
    if (version && version == seen >> 1) return seen & 1;
    bool plain = type->tp_getattro == ((PyTypeObject *)own->c_socket)->tp_getattro;
    for (Py_ssize_t i = 0; plain && i < PyTuple_GET_SIZE(own->names); i++)
        plain = attribute_is((PyObject *)type, PyTuple_GET_ITEM(own->names, i), PyTuple_GET_ITEM(own->methods, i));
    atomic_store(&state->plain_seen, (uint64_t)class_version(type) << 1 | plain);
    return plain;
}

/* Whether accept() of a plain socket makes plain sockets: it asks for socket.socket. */
bool accepts_plain_sockets(State *state) {
    return attribute_is(state->plain.module, state->names.socket, state->imports.socket) && sockets_are_plain(state);
}

/* What the socket's own method says, whatever a program has put in its place. */
int number_of_socket(State *state, PyObject *sock) {
    PyObject *number = PyObject_Vectorcall(state->plain.fileno, &sock, 1, NULL);
    int fd = number ? (int)PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return fd;
}

PyObject *are_plain(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(sockets_are_plain(state_of(module)));
}

PyObject *accepts_plain(PyObject *module, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(accepts_plain_sockets(state_of(module)));
}
