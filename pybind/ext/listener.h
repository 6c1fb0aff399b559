/* Listening sockets: each is a tuple, goloop.listening.Listener. */
#ifndef GOLOOP_LISTENER_H
#define GOLOOP_LISTENER_H

#include "loop.h"

enum listener_part { SOCK, FACTORY, SERVER, CONTEXT, SOCKNAME, FAMILY, TYPE, PROTO, ATTACH_TAKES_TRANSPORT, HANDSHAKES, LISTENER_PARTS };

static inline PyObject *listener_part(PyObject *listener, enum listener_part part) { return PyTuple_GET_ITEM(listener, part); } /* borrowed */
static inline int listener_number(PyObject *listener, enum listener_part part) { return (int)PyLong_AsLong(listener_part(listener, part)); }

#endif
