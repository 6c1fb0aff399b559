/* Flow control of what is written. */
#ifndef GOLOOP_FLOW_H
#define GOLOOP_FLOW_H

#include "transport.h"

int transport_maybe_pause(TransportObject *t);
int transport_wrote(TransportObject *t, int64_t n); /* the kernel took n bytes of the queue */
int transport_send(TransportObject *t, gl_sqe *s); /* hands one WRITE or SEND to the engine, and pauses nobody. Steals what s->user names */
enum { WARN_AFTER = 5 }; /* writes after the end: asyncio's LOG_THRESHOLD_FOR_CONNLOST_WRITES */
int transport_warn_lost(TransportObject *t, int *lost); /* counts a write after the end, and warns of many */
#define SEND_FAILED "socket.send() raised exception." /* that warning of sockets */

/* What write() and sendto() take. */
static inline bool is_data(PyObject *o) { return PyBytes_Check(o) || PyByteArray_Check(o) || PyMemoryView_Check(o); }
/* Its bytes, which stay as they are until the kernel has them: the object itself when it cannot change, a copy otherwise. */
static inline PyObject *new_immutable(PyObject *data) { return PyBytes_CheckExact(data) ? Py_NewRef(data) : PyBytes_FromObject(data); }

/* Methods of transports. */
PyObject *method_get_write_buffer_size(TransportObject *t, PyObject *ignored);
PyObject *method_set_limits(TransportObject *t, PyObject *args);

#endif
