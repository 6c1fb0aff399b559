/* How transports end. */
#ifndef GOLOOP_ENDING_H
#define GOLOOP_ENDING_H

#include "transport.h"

int transport_close(TransportObject *t);
int transport_force_close(TransportObject *t, PyObject *exception); /* without waiting for the queue */
int transport_fatal(TransportObject *t, PyObject *exception, const char *message); /* steals */
int transport_schedule_lost(TransportObject *t, PyObject *exception); /* connection_lost in the next turn */
int transport_attach_to(TransportObject *t, PyObject *server); /* Server._attach, unless it is None */
int transport_detach_from(TransportObject *t); /* the end of that; of a copy of asyncio's server too that takes no transport */
int transport_release(TransportObject *t); /* out of the tables, and closes its descriptor */
int transport_evict(LoopObject *loop, PyObject *owner, int fd, bool gone); /* for the table of descriptors */
PyObject *method_call_connection_lost(TransportObject *t, PyObject *exception);

#endif
