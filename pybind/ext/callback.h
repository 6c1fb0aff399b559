/* Callbacks of transports that handles and messages show. */
#ifndef GOLOOP_CALLBACK_H
#define GOLOOP_CALLBACK_H

#include "transport.h"

int callbacks_setup(PyObject *module);
PyObject *new_lost_callback(TransportObject *t); /* _call_connection_lost of its kind */
int transport_callback_failed(TransportObject *t, PyObject *exception, enum callback_name name); /* steals */

#endif
