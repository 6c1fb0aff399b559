/* Listening sockets. */
#ifndef GOLOOP_LISTENER_H
#define GOLOOP_LISTENER_H

#include "loop.h"

typedef struct ListenerObject {
    PyObject_HEAD
    LoopObject *loop; /* whose table owns it: borrowed */
    PyObject *factory, *server, *sock, *context;
    int family, type, proto;
    bool attach_takes_transport; /* base_events.Server._attach(transport), 3.13 */
    bool handshakes;             /* TLS: goloop.accepting knows its connections until theirs are done */
    PyObject *sockname; /* the address, where every accepted socket has the listener's own; or NULL: each has one of its own */
} ListenerObject;

int listener_setup(PyObject *module);
ListenerObject *new_listener(LoopObject *loop); /* not tracked yet */

#endif
