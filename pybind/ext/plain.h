/* Which sockets are the engine's to serve. */
#ifndef GOLOOP_PLAIN_H
#define GOLOOP_PLAIN_H

#include "state.h"

bool sockets_are_plain(State *state); /* those of the standard library's own class */
bool accepts_plain_sockets(State *state);
int number_of_socket(State *state, PyObject *sock); /* -1: it is closed, or, with an exception, no socket */

/* Whether it is an open socket.socket with this number: by what CPython keeps first in a socket, as a call of fileno() for each
 * write costs 2 % of an echo. false: ask number_of_socket; so is it wherever a socket is laid out otherwise. */
static inline bool is_socket_of(State *state, PyObject *sock, int fd) {
    return Py_IS_TYPE(sock, (PyTypeObject *)state->imports.socket) && *(int *)((PyObject *)sock + 1) == fd;
}

/* Functions of the module. */
PyObject *are_plain(PyObject *module, PyObject *ignored);
PyObject *accepts_plain(PyObject *module, PyObject *ignored);

#endif
