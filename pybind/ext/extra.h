/* What get_extra_info() knows: the socket, and the addresses of both ends. */
#ifndef GOLOOP_EXTRA_H
#define GOLOOP_EXTRA_H

#include "transport.h"

void transport_keep_peer(TransportObject *t); /* the address of an internet socket, which is gone when the peer is */
void transport_keep_local(TransportObject *t); /* the local address, while the descriptor is open */
bool transport_set_peer(TransportObject *t, const void *raw, socklen_t len); /* false: no memory, or nothing */
void transport_forget_addresses(TransportObject *t); /* with the transport */
PyObject *method_extra_parts(TransportObject *t, PyObject *ignored); /* what goloop.extra makes it of */
PyObject *method_get_extra_info(TransportObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);

#endif
