/* What get_extra_info() knows: the socket, and the addresses of both ends. */
#ifndef GOLOOP_EXTRA_H
#define GOLOOP_EXTRA_H

#include "transport.h"

void transport_keep_peer(TransportObject *t); /* the address of an internet socket, which is gone when the peer is */
void transport_keep_local(TransportObject *t); /* the local address, while the descriptor is open */
bool transport_set_peer(TransportObject *t, const void *raw, socklen_t len); /* false: no memory, or nothing */
void transport_forget_addresses(TransportObject *t); /* with the transport */
/* What goloop.extra makes it of, and keeps. */
PyObject *method_extra_parts(TransportObject *t, PyObject *ignored);
PyObject *method_keep_extra(TransportObject *t, PyObject *extra);

#endif
