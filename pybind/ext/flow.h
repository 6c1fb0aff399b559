/* Flow control of what is written. */
#ifndef GOLOOP_FLOW_H
#define GOLOOP_FLOW_H

#include "transport.h"

int transport_maybe_pause(TransportObject *t);
int transport_wrote(TransportObject *t, int64_t n); /* the kernel took n bytes of the queue */
int transport_waits(TransportObject *t, int64_t n); /* n bytes of its own wait in the engine */
enum { WARN_AFTER = 5 }; /* writes after the end: asyncio's LOG_THRESHOLD_FOR_CONNLOST_WRITES */
int transport_warn_lost(TransportObject *t, int *lost, const char *message); /* counts a write after the end, and warns of many */
extern const char SEND_FAILED[]; /* that warning of sockets */

/* Methods of transports. */
PyObject *method_get_write_buffer_size(TransportObject *t, PyObject *ignored);
PyObject *method_set_limits(TransportObject *t, PyObject *args);

#endif
