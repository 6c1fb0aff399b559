/* Which sockets are the engine's to serve. */
#ifndef GOLOOP_PLAIN_H
#define GOLOOP_PLAIN_H

#include "state.h"

bool socket_is_plain(State *state, PyObject *sock);
bool accepts_plain_sockets(State *state);

/* Functions of the module. */
PyObject *is_plain(PyObject *module, PyObject *sock);
PyObject *accepts_plain(PyObject *module, PyObject *ignored);

#endif
