/* Listening sockets. */
#ifndef GOLOOP_LISTENER_H
#define GOLOOP_LISTENER_H

#include "loop.h"

#include <sys/socket.h>

typedef struct ListenerObject {
    PyObject_HEAD
    LoopObject *loop; /* whose table owns it: borrowed */
    PyObject *factory, *server, *sock, *context;
    int family, type, proto;
    bool attach_takes_transport; /* base_events.Server._attach(transport), 3.13 */
    bool handshakes;             /* TLS: goloop.accepting knows its connections until theirs are done */
    bool local_known;            /* every accepted socket has the listener's own address */
    socklen_t local_len;
    uint8_t local[28];
    PyObject *sockname; /* of a Unix socket: its address, instead of local */
} ListenerObject;

int listener_setup(PyObject *module);
ListenerObject *new_listener(LoopObject *loop); /* not tracked yet */
int listener_name(ListenerObject *l, int fd); /* finds the address that its sockets have */

#endif
