/* A connected TCP or Unix stream; the class has asyncio's name, _SelectorSocketTransport. Its two directions, which pipes have as well, are in
 * stream_write.c and stream_read.c. */
#ifndef GOLOOP_STREAM_H
#define GOLOOP_STREAM_H

#include "ending.h"
#include "flow.h"
#include "transport.h"

typedef struct StreamObject StreamObject;

struct StreamObject {
    TRANSPORT_FIELDS
    PyObject *empty_waiter;
    uint64_t young_until; /* accept.c: the era from which on it is a stream among others; 0: it was not accepted */
    int write_error; /* errno of a submission that failed, not yet told */
    int lost_writes; /* asyncio's _conn_lost of a pipe: a failed write, and those after the end */
    int fileno;      /* of a pipe's file object; stays when that is closed */
    bool buffered_protocol, eof_written;
    bool handshakes; /* its listener's */
    uint8_t pipe;    /* of pipe.c: its direction, GL_READ or GL_WRITE; sock is its file object */
};

#ifdef Py_GIL_DISABLED
static inline PyObject *guard_of_StreamObject(StreamObject *t) { return t->loop->guard; }
#endif

int stream_setup(PyObject *module);
StreamObject *new_stream(LoopObject *loop, const Parts *parts);
int stream_attach(StreamObject *t);
PyObject *loop_connected_stream(LoopObject *loop, PyObject *args); /* a method of the loop */

/* stream_write.c */
PyObject *method_write(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
#define WRITE_DOC                                                                                                        \
    "write($self, data)\n--\n\nSend bytes in the call, as far as the kernel takes them; those of a crowd of short callbacks leave\n" \
    "together, 0.1 ms later and up to 0.4. See asyncio.WriteTransport.write."
PyObject *stream_write(StreamObject *t, PyObject *data);
PyObject *stream_writelines(StreamObject *t, PyObject *lines);
PyObject *stream_write_eof(StreamObject *t, PyObject *ignored);
PyObject *stream_keep_empty_waiter(StreamObject *t, PyObject *waiter);
bool stream_must_tell(TransportObject *t);
int stream_wrote(TransportObject *t, int64_t n);
int stream_send_failed(TransportObject *t, int error);
void stream_write_failed(TransportObject *t, int error);
int stream_lost(TransportObject *t);

/* stream_read.c */
int stream_arrived(LoopObject *loop, PyObject *owner, gl_cqe *c);
int stream_failed(StreamObject *t, int error, int direction);
int stream_deliver_held(TransportObject *t);

/* Of a TransportKind. */
#define STREAM_KIND(name, what, after_end)                                                                                        \
    .asks = {transport_file, transport_keeps, transport_evict, transport_forgotten, stream_arrived},                   \
    .failed = {"Fatal read error on " what, "Fatal write error on " what}, .lost_name = name, .written_after_end = after_end, \
    .must_tell = stream_must_tell, .wrote = stream_wrote, .send_failed = stream_send_failed, .write_failed = stream_write_failed, \
    .deliver_held = stream_deliver_held, .connection_lost = method_call_connection_lost, .lost = stream_lost

#endif
