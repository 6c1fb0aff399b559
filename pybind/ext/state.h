/* What one interpreter's module has: its types, the names and imported objects that the others use,
 * and what is kept to be used again. A loop knows it, and so whatever knows its loop; the others find
 * it by their type. */
#ifndef GOLOOP_STATE_H
#define GOLOOP_STATE_H

#include "base.h"

/* Interned. */
#define NAMES(X)                                                                                   \
    X(data_received) X(eof_received) X(connection_made) X(connection_lost) X(get_buffer) X(time)   \
    X(call_at) X(call_later) X(buffer_updated) X(pause_writing) X(resume_writing) X(_attach)       \
    X(_detach) X(close) X(fileno) X(socket) X(set_result) X(done) X(context)                       \
    X(_run_handle_in_debug) X(_handle_failed) X(create_future) X(_ensure_fd_no_transport)          \
    X(datagram_received) X(error_received) X(_sendfile_lost) X(_accept_dropped) X(_sockets)        \
    X(cancelled) X(read) X(write) X(pending) X(call_soon) X(_loop) X(_sslobj) X(_ssl_protocol)     \
    X(_do_read) X(_do_write) X(_process_outgoing) X(_write_slowly) X(_control_ssl_reading)         \
    X(_control_app_writing) X(_call_eof_received) X(_start_shutdown) X(_app_protocol)              \
    X(create_task) X(Task) X(Future) X(_resolved)                                                  \
    X(loop) X(name) X(eager_start) X(_pieces)
typedef struct {
#define X(n) PyObject *n;
    NAMES(X)
#undef X
} Names;

/* Found by goloop.standard, a dict of it for each list; NULL for what it has None for. */
#define IMPORTS(X) /* socket: socket.socket as the standard library defines it */                                     \
    X(socket) X(buffered_protocol) X(flow_control) X(ssl_protocol) X(logger_warning)               \
    X(gaierror) X(fileobj_to_fd) X(extract_stack)
#define TLS_IMPORTS(X) /* protocol: NULL where there is no ssl */                                                      \
    X(protocol) X(transport) X(again_errors) X(wrapped) X(ssl_object) X(memory_bio) X(deque) X(zero)
#define TASK_IMPORTS(X) /* tasks, futures: what the modules hold. The methods are of base, asyncio.SelectorEventLoop */ \
    X(tasks) X(futures) X(base) X(create_task) X(create_future) X(task_code) X(future_code) X(loop_keyword)            \
    X(c_task) X(c_future)
#define LOOKUP_IMPORTS(X) /* members of socket.AddressFamily and socket.SocketKind by their numbers */                 \
    X(families) X(kinds)
#define PLAIN_IMPORTS(X) /* what plain.c looks for: names and methods are tuples, None for what was replaced before */ \
    X(c_socket) X(module) X(fileno) X(gettimeout) X(names) X(methods)
#define STREAM_CLASSES(X) X(protocol) X(reader)
/* What of them data_received goes through: first the protocol's methods. */
#define STREAM_PATH(X) X(data_received) X(_stream_reader) X(feed_data) X(_wakeup_waiter)
/* What __init__ sets, of both, in its order. */
#define READER_NAMES(X) X(_limit) X(_loop) X(_buffer) X(_eof) X(_waiter) X(_exception) X(_transport) X(_paused)
#define PROTOCOL_NAMES(X)                                                                                              \
    X(_loop) X(_paused) X(_drain_waiters) X(_connection_lost) X(_stream_reader_wr) X(_source_traceback)                \
    X(_strong_reader) X(_reject_connection) X(_task) X(_transport) X(_client_connected_cb) X(_over_ssl) X(_closed)

#define FIELD(n) PyObject *n;
typedef struct {
    TASK_IMPORTS(FIELD)
} TaskImports;
typedef struct {
    PLAIN_IMPORTS(FIELD)
} Plain;

/* reader.c: the classes of asyncio.streams. */
enum { STREAM_METHODS = 4, READER_FIELDS = 8, PROTOCOL_FIELDS = 13 };
typedef struct {
    STREAM_CLASSES(FIELD)
    PyObject *method_names[STREAM_METHODS];
    PyObject *methods[STREAM_METHODS];
    PyObject *functions[STREAM_METHODS], *codes[STREAM_METHODS];
    PyObject *reader_fields[READER_FIELDS], *protocol_fields[PROTOCOL_FIELDS];
} Streams;

typedef struct {
    PyTypeObject *Loop, *Handle, *TimerHandle, *ThreadSafeHandle, *AsyncioHandle;
    PyTypeObject *Transport, *Stream, *Datagram, *ReadPipe, *WritePipe;
    PyTypeObject *Message, *Readiness, *Arrival, *SSLProtocol;
} Types;

/* callback.c */
#define CALLBACK_NAMES(X)                                                                                              \
    X(stream_lost) X(datagram_lost) X(read_pipe_lost) X(write_pipe_lost) X(pipe_read) X(datagram_read) X(datagram_send)
enum { CALLBACKS = 7 };

/* handle.c: freed handles of one type, for malloc is a third of a call_soon's cost, and what the collector counts of it
 * sends it through thousands of others. Without a GIL, none. */
typedef struct {
    PyObject *first; /* the next one is where it had its arguments */
    int n;
} FreeList;
enum { FREE_HANDLES, FREE_TIMERS, FREE_THREAD_SAFE, FREE_LISTS };

struct State {
    /* references, up to `reserve` */
    Names names;
    struct {
        IMPORTS(FIELD)
    } imports;
    struct {
        TLS_IMPORTS(FIELD)
    } tls;
    TaskImports tasks;
    struct {
        LOOKUP_IMPORTS(FIELD)
    } lookups;
    Plain plain;
    Streams streams;
    Types types;
    PyObject *callbacks[CALLBACKS], *callback_names[CALLBACKS];
    PyObject *wake;     /* readiness.c */
    PyObject *no_hint;  /* -1, as asyncio passes it to get_buffer */
    PyObject *control;  /* control.c, or NULL */

    _Atomic(PyObject *) reserve; /* tls_read.c: bytes to read plaintext into, NULL while a read has them */
    _Atomic(uint64_t) plain_seen, tasks_seen, streams_seen;
    uint64_t control_generation;
    int8_t reader_places[READER_FIELDS], protocol_places[PROTOCOL_FIELDS]; /* of the fields; -1: not known */
    PyMethodDef callback_methods[CALLBACKS];
    /* TLS of a stream that reads: tls.c, which this one cannot know */
    int (*tls_received)(PyObject *protocol, const char *data, Py_ssize_t n);
    bool (*tls_takes_bytes)(State *state, PyObject *protocol);
    bool shares_contexts; /* snapshot.c */
    FreeList free[FREE_LISTS];
};
#undef FIELD

int state_fill(State *state); /* names, and what goloop.standard has found */
int state_traverse(PyObject *module, visitproc visit, void *arg);
void state_free(State *state);

static inline State *state_of(PyObject *module) { return PyModule_GetState(module); }
/* The module of one of its types, or of a class that derives from one; NULL when it is none. Borrows. */
PyObject *borrow_module(PyTypeObject *type);
/* Of a type that nobody derives from. NULL while it is being collected. */
static inline State *state_of_type(PyTypeObject *type) {
    PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
    return module ? state_of(module) : NULL;
}

/* Of a type that nobody derives from, whose tp_clear lets go of all that an object has. */
void object_dealloc(PyObject *self);
/* Makes a type of the module over base, a tuple of bases, or nothing (NULL), and adds it to the module. */
PyTypeObject *new_type(PyObject *module, PyType_Spec *spec, PyObject *base);
/* class.name(self, *args, **kwargs) */
PyObject *call_class(PyObject *class, PyObject *name, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
/* module.name, or NULL with an exception. */
PyObject *import_attribute(const char *module, const char *name);
/* Makes a type over module.name, whose slots lie where ours do, or ImportError. The last place has no name, and the size of
 * that class; 0: any. AttributeError: there is no such class. */
typedef struct {
    const char *name;
    Py_ssize_t offset;
} Place;
PyTypeObject *new_type_over(PyObject *module, PyType_Spec *spec, const char *base_module, const char *name, const Place *places);

#endif
