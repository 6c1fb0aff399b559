/* What the files of the extension share: the objects and how they reach each
 * other. Everything here runs under the GIL, but for the engine's turn itself.
 *
 *   module.c   tables: types, methods, interned names
 *   engine.c   loading the Go library, fork, panics, errors
 *   limits.c   whether that library can start in this process
 *   loop.c     the Loop type: state, call_soon, ready queue
 *   turn.c     _run_once: turns, batches, completions
 *   nested.c   turns inside a callback, loop._ready
 *   sigstack.c where signal handlers run
 *   timer.c    call_later, call_at, the table of scheduled handles
 *   clock.c    loops whose time() is replaced
 *   handle.c   Handle, TimerHandle
 *   threadsafe.c   ThreadSafeHandle
 *   descriptors.c   the table of descriptors: who owns a number, and until when
 *   watch.c    add_reader, add_writer
 *   readiness.c   waits of a coroutine for a descriptor
 *   plain.c    which sockets are the engine's to serve
 *   child.c    child processes
 *   server.c   listening sockets
 *   accept.c   accepted connections
 *   transport.c   what all transports are and do: life, end, flow control
 *   callback.c   their callbacks, as messages name them
 *   extra.c    what their get_extra_info() knows
 *   owed.c     what they owe their protocols
 *   stream.c   StreamTransport
 *   stream_write.c, stream_read.c   its two directions, and those of pipes
 *   pipe.c     ReadPipeTransport, WritePipeTransport: streams in one direction
 *   datagram.c DatagramTransport
 *   sockaddr.c addresses
 *   names.c    getaddrinfo, getnameinfo
 *   tls.c, tls_read.c   asyncio.sslproto, once per message
 */
#ifndef GOLOOP_CORE_H
#define GOLOOP_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "compat.h"

/* asyncio.Handle and asyncio.TimerHandle as CPython lays out their slots: in
 * alphabetical order, the weak references last where they are a slot at all.
 * handle.c checks it at import. */
#define HANDLE_FIELDS                                                                              \
    PyObject_HEAD PyObject *args, *callback, *cancelled, *context, *loop, *repr, *source_traceback;
#if PY_VERSION_HEX < 0x030C0000
#define HANDLE_WEAK PyObject *weakrefs;
#else
#define HANDLE_WEAK
#endif

typedef struct HandleObject {
    HANDLE_FIELDS
    HANDLE_WEAK
} HandleObject;

typedef struct TimerHandleObject {
    HANDLE_FIELDS
    HANDLE_WEAK
    PyObject *scheduled, *when;
    /* ours */
    uint32_t id, gen;   /* place in the loop's table while scheduled */
    uint32_t sq_index;  /* submission that adds it, while sq_epoch is the loop's */
    uint64_t sq_epoch;
} TimerHandleObject;

/* Who a descriptor belongs to. gen changes with every owner. */
enum fd_kind { FD_FREE = 0, FD_STREAM, FD_LISTENER, FD_WATCHED, FD_DATAGRAM };

typedef struct FdEntry {
    enum fd_kind kind;
    uint32_t gen;
    PyObject *owner;           /* transport or listener; NULL when watched */
    PyObject *reader, *writer; /* handles of a watched descriptor */
    PyObject *reader_file, *writer_file; /* what it was given as, instead of a number, or NULL */
} FdEntry;

typedef struct TimerEntry {
    TimerHandleObject *handle; /* NULL: free */
    uint32_t gen;
    uint32_t next_free;
} TimerEntry;

typedef struct LoopObject {
    PyObject_HEAD
    /* attributes that BaseEventLoop reads and writes */
    char closed, stopping, debug;
    PyObject *thread_id; /* None or int */
    PyObject *current_handle;

    /* ready queue: a ring of handles, cap a power of two */
    PyObject **ready;
    size_t ready_head, ready_len, ready_cap;
    size_t todo; /* of the batch under way */
    bool forever;       /* run_forever() calls: _run_once goes on until stop() */
    bool looked;        /* the last turn asked the selector */
    bool holds;         /* sending.c: what the batch writes may leave together; */
    int32_t brisk;      /* callbacks in a row that were short; */
    int64_t held_since; /* ns: since when what is held has waited, or earlier */

    /* engine */
    int64_t engine; /* handle, 0 when there is none */
    uint64_t generation;  /* of the process that opened it: see engine.c */
    const gl_api *api;
    gl_shared shared;
    bool in_turn, sleeping, woken;
    bool custom_time;    /* time() is not ours: Python keeps the timers, see clock.c */
    bool custom_call_at; /* call_at() is not ours: call_later() goes through it */

    /* submissions: one array fills while the engine has the other */
    gl_sqe *sq[2];
    int32_t sq_cap[2];
    int sq_now;
    int32_t sq_len, sq_urgent, sq_sends; /* all; those that a turn is for; WRITE and SEND */
    int64_t sq_deadline; /* earliest timer among them */
    uint64_t sq_epoch;

    /* completions of the batch under way */
    gl_cqe *cq; /* shared.cq, or nested.c's */
    int32_t cq_head, cq_len;
    int32_t cq_kept;      /* at its start, for the next run */
    gl_cqe *running;      /* the one that is being dispatched, or NULL */
    struct gl_nest *nest; /* of nested.c */
    PyObject *barred;     /* list of what waits for a callback to return, or NULL */

    /* connections that are being accepted, the first `made` of them made: accept.c */
    struct Accepted *accepted;
    int32_t accepted_len, accepted_made, accepted_cap;
    uint32_t accept_cancels; /* how often they were cancelled */
    bool accept_begun;       /* a factory runs */
    bool put_off;            /* stop() has left some for the next run */

    struct TransportObject *owed, *last_owed; /* transports that owe their protocol something: owed.c */
    size_t owed_len, owed_todo;               /* owed_todo: of the batch under way */

    FdEntry *fds;
    int32_t fds_len;
    TimerEntry *timers;
    uint32_t timers_len, timers_free, timers_live;
    uint32_t timers_bound; /* ids that are given out are below */
    uint32_t timers_gen;   /* generation of entries that are new */
    int64_t timers_looked; /* ns: timers_give_back */

    struct LoopObject *next, **link; /* engine.c: list of loops with an engine */
} LoopObject;

typedef struct ListenerObject {
    PyObject_HEAD
    PyObject *factory, *server, *sock, *context;
    int family, type, proto;
    bool attach_takes_transport; /* base_events.Server._attach(transport), 3.13 */
    bool handshakes;             /* TLS: goloop.accepting knows its connections until theirs are done */
    bool local_known;            /* every accepted socket has the listener's own address */
    socklen_t local_len;
    uint8_t local[28];
    PyObject *sockname; /* of a Unix socket: its address, instead of local */
} ListenerObject;

/* What every transport has. The slots of asyncio's transports._FlowControlMixin,
 * which loop.sendfile asks for, come first; transport.c checks them at import. */
#define TRANSPORT_FIELDS                                                                           \
    PyObject_HEAD PyObject *extra; /* BaseTransport._extra */                                      \
    PyObject *unused_high_water;                                                                   \
    LoopObject *loop;                                                                              \
    PyObject *unused_low_water, *unused_protocol_paused;                                           \
    /* references */                                                                               \
    PyObject *protocol;                                                                            \
    PyObject *sock;    /* the socket.socket that owns fd, or NULL: we own it */                    \
    PyObject *server;                                                                              \
    PyObject *sockname; /* the address that its listener is known to have, or NULL */              \
    PyObject *context; /* of all callbacks of the protocol but pause_writing, a part of write() */  \
    PyObject *held;    /* list of what was read and not delivered, or NULL */                      \
    Py_ssize_t held_at, held_offset; /* of its first piece, and what of that is delivered */       \
    PyObject *end;     /* of connection_lost, where that could not be scheduled */                 \
    struct TransportObject *next_owed, *next_told;                                                 \
    PyObject *dict, *weakrefs;                                                                     \
    /* state */                                                                                    \
    int64_t buffered;  /* bytes written by Python, not yet by the kernel */                        \
    int64_t high, low;                                                                             \
    int fd;                                                                                        \
    uint32_t gen;                                                                                  \
    int conn_lost;                                                                                 \
    int32_t unsent;    /* entries of its own among the submissions */                              \
    uint64_t attach_epoch; /* of the submissions that its first one stands in */                    \
    bool attached, pinned, ended, paused, closing, eof_held, protocol_paused, lost;                \
    bool attach_takes_transport;                                                                   \
    bool drains;       /* of sending.c: its writes are never held back */                           \
    bool owing;        /* stands in the loop's list of owed.c */                                   \
    bool telling;      /* stands in a list of settle_writes */                                     \
    bool duplicate;    /* fd is a copy of the one in sock, and ours */                             \
    int family, type, proto;                                                                       \
    socklen_t peer_len, local_len;                                                                 \
    uint8_t peer[28], local[28];

typedef struct TransportObject {
    TRANSPORT_FIELDS
} TransportObject;

typedef struct StreamObject {
    TRANSPORT_FIELDS
    PyObject *empty_waiter;
    int write_error; /* errno of a submission that failed, not yet told */
    bool buffered_protocol, eof_written;
    bool handshakes; /* its listener's */
    uint8_t pipe;    /* of pipe.c: its direction, GL_READ or GL_WRITE; sock is its file object */
} StreamObject;

typedef struct Accepted {
    StreamObject *stream;
    uint8_t age; /* in batches, once made */
} Accepted;

/* module.c: interned names and imported objects, filled at import */
#define NAMES(X)                                                                                   \
    X(data_received) X(eof_received) X(connection_made) X(connection_lost) X(get_buffer)           \
    X(time) X(call_at)                                                                             \
    X(buffer_updated) X(pause_writing) X(resume_writing) X(call_exception_handler) X(_attach)      \
    X(_detach) X(close) X(fileno) X(transport) X(protocol) X(socket) X(sockname) X(peername)       \
    X(set_result) X(done) X(context) X(_handle_signal) X(_run_handle_in_debug) X(_handle_failed)   \
    X(create_future) X(_ensure_fd_no_transport) X(_accept_failed) X(_warn_slow) X(_resolved)       \
    X(datagram_received) X(error_received) X(_sendfile_lost) X(_accept_dropped) X(_sockets)        \
    X(_accept_replaced)                                                                            \
    X(read) X(write) X(pending) X(append) X(call_soon) X(_loop) X(_sslobj) X(_ssl_protocol)        \
    X(_do_read) X(_do_write) X(_process_outgoing) X(_write_appdata) X(_control_ssl_reading)        \
    X(_control_app_writing) X(_call_eof_received) X(_start_shutdown)         \
    X(_app_protocol)
typedef struct {
#define X(n) PyObject *n;
    NAMES(X)
#undef X
} Names;
extern Names names;

typedef struct {
    PyObject *transport_socket; /* asyncio.trsock.TransportSocket */
    PyObject *socket;           /* socket.socket as the standard library defines it */
    PyObject *buffered_protocol;
    PyObject *flow_control; /* asyncio.streams.FlowControlMixin */
    PyObject *ssl_protocol; /* asyncio.sslproto.SSLProtocol */
    PyObject *logger_warning;
    PyObject *gaierror;      /* socket.gaierror */
    PyObject *lock;          /* threading.Lock */
    PyObject *extract_stack; /* asyncio.format_helpers.extract_stack */
} Imports;
extern Imports imports;

extern PyTypeObject *Loop_Type, *Handle_Type, *TimerHandle_Type, *ThreadSafeHandle_Type, *AsyncioHandle_Type;
extern PyTypeObject *Transport_Type, *Stream_Type, *Datagram_Type, *ReadPipe_Type, *WritePipe_Type, *Listener_Type;

/* limits.c */
int limits_check(int *procs);

/* engine.c */
extern volatile uint64_t process_generation;
int engine_open(LoopObject *loop, const char *selector, bool batched);
void engine_close(LoopObject *loop);
PyObject *engine_info(PyObject *module, PyObject *ignored);
int engine_error(LoopObject *loop, int64_t code); /* sets the exception, returns -1 */
int engine_usable_slow(LoopObject *loop);         /* sets the exception if not */
static inline int engine_usable(LoopObject *loop) {
    if (loop->engine > 0 && loop->generation == process_generation) return 0;
    return engine_usable_slow(loop);
}

/* sigstack.c */
void ensure_signal_stack(void);

/* loop.c */
int ready_push(LoopObject *loop, PyObject *handle); /* borrows */
int check_handle(PyObject *handle); /* that a program gives */
int ready_insert(LoopObject *loop, size_t at, PyObject **handles, size_t n); /* steals, unless it fails */
/* The first; there must be one. */
static inline PyObject *ready_steal(LoopObject *loop) {
    PyObject *handle = loop->ready[loop->ready_head];
    loop->ready_head = (loop->ready_head + 1) & (loop->ready_cap - 1);
    loop->ready_len--;
    if (loop->todo) loop->todo--;
    return handle;
}
/* What a scheduling method was called with, as asyncio's signature (first, callback, *args, context=None) has it.
 * All borrowed. */
typedef struct {
    PyObject *const *args; /* from the first on */
    Py_ssize_t n;
    PyObject *context; /* NULL: None */
    PyObject *room[2]; /* args, where one of them came by its name */
} Call;
int take_call_slowly(Call *c, const char *method, const char *first, PyObject *kwnames);
/* first: what stands before the callback, or NULL. Raises TypeError as the method called so would. */
static inline int take_call(Call *c, const char *method, const char *first, PyObject *const *args, Py_ssize_t n,
                            PyObject *kwnames) {
    c->args = args;
    c->n = n;
    c->context = NULL;
    return !kwnames && n > (first ? 1 : 0) ? 0 : take_call_slowly(c, method, first, kwnames);
}
void ready_clear(LoopObject *loop);
void ready_give_back(LoopObject *loop);
void loop_wake(LoopObject *loop);
PyObject *loop_call_soon(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                         PyObject *context);
int loop_call_soon_drop(LoopObject *loop, PyObject *callback, PyObject *arg, PyObject *context);
int call_exception_handler(LoopObject *loop, const char *message, PyObject *exception,
                           PyObject *transport, PyObject *protocol);
PyObject *steal_exception(void); /* the current one, normalised, with its traceback */
bool is_exit_exception(PyObject *exception);
static inline int64_t monotonic_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* descriptors.c */
FdEntry *fd_entry(LoopObject *loop, int fd); /* grows the table; NULL with MemoryError */
static inline FdEntry *fd_lookup(LoopObject *loop, int fd, uint32_t gen) {
    if (fd < 0 || fd >= loop->fds_len) return NULL;
    FdEntry *e = &loop->fds[fd];
    return e->kind != FD_FREE && e->gen == gen ? e : NULL;
}
void fd_release(LoopObject *loop, int fd); /* forgets the owner; the engine is not told */
enum fd_claim { FOR_WATCH, FOR_OWNER, NEW_NUMBER };
int fd_vacate(LoopObject *loop, int fd, enum fd_claim claim);
bool fd_is_used(LoopObject *loop, int fd, enum fd_claim claim); /* so that fd_vacate would refuse */

/* nested.c */
int gather_completions(LoopObject *loop);
int unbar_arrivals(LoopObject *loop);
void put_back(LoopObject *loop, const gl_cqe *c);
void unkeep(LoopObject *loop);
int nest_begin(LoopObject *loop);
void nest_end(LoopObject *loop);
void nest_free(LoopObject *loop);
PyObject *loop_ready_len(LoopObject *loop, PyObject *ignored);
PyObject *loop_ready_pop(LoopObject *loop, PyObject *ignored);
PyObject *loop_ready_insert(LoopObject *loop, PyObject *handle);
PyObject *loop_ready_items(LoopObject *loop, PyObject *ignored);
int nested_setup(PyObject *module);

/* turn.c */
/* Our own kinds: a completion that has become a handle, owned by the entry; one
 * that is nobody's; one for a DatagramTransport. */
enum { GL_RUN_HANDLE = 1000, GL_NOTHING = 1001, GL_ON_DATAGRAM = 1002 };
int dispatch(LoopObject *loop, gl_cqe *c);
gl_sqe *new_sqe(LoopObject *loop, uint16_t op, int fd, uint32_t gen);
int reserve_queue(LoopObject *loop);
/* Before a WRITE or a SEND: MemoryError is raised while nothing has been taken. */
static inline int queue_has_room(LoopObject *loop) {
    return loop->sq_len < loop->shared.queue_room ? 0 : reserve_queue(loop);
}
int submit_now(LoopObject *loop);
int submit_one(LoopObject *loop, gl_sqe *sqe); /* at once; returns an errno, or -1 with an exception */
PyObject *loop_run_once(LoopObject *loop, PyObject *ignored);
PyObject *loop_turn(LoopObject *loop, PyObject *seconds);
PyObject *loop_batch(LoopObject *loop, PyObject *due);
PyObject *loop_is_busy(LoopObject *loop, PyObject *ignored);
void completions_clear(LoopObject *loop);
int completions_traverse(LoopObject *loop, visitproc visit, void *arg);
bool completions_accepted(LoopObject *loop, bool drop); /* whether stop() has left some; drop: closes them */
int warn_if_slow(LoopObject *loop, PyObject *owner, int64_t started);

/* timer.c */
PyObject *loop_call_later(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *loop_call_at(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *);
void timer_cancelled(LoopObject *loop, TimerHandleObject *handle);
PyObject *steal_due_timer(LoopObject *loop, uint32_t id, uint32_t gen);
PyObject *loop_timer_handle_cancelled(LoopObject *, PyObject *);
PyObject *loop_take_timers(LoopObject *loop, PyObject *ignored);
PyObject *loop_give_timer(LoopObject *loop, PyObject *handle);
TimerHandleObject *new_alarm(LoopObject *loop, double seconds);
void timers_clear(LoopObject *loop);
void timers_give_back(LoopObject *loop);

/* clock.c */
int clock_look(LoopObject *loop);
int loop_setattro(PyObject *self, PyObject *name, PyObject *value);
PyObject *loop_time(LoopObject *loop, PyObject *ignored);

/* handle.c */
PyObject *new_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                     PyObject *context);
TimerHandleObject *new_timer_handle(LoopObject *loop, PyObject *callback, PyObject *const *args,
                                    Py_ssize_t n, PyObject *context);
int run_handle(LoopObject *loop, PyObject *handle); /* -1: leave the loop with the exception set */
int run_callback(LoopObject *loop, PyObject *handle); /* the same for one that is not cancelled */
/* A callback of ours raised: said as of a handle that ran it. Steals the exception; callback: NULL is an error of its own. */
int callback_failed(LoopObject *loop, PyObject *exception, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                    PyObject *context);
int handle_fill(HandleObject *h, LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                PyObject *context);
int handle_traverse(PyObject *handle, visitproc visit, void *arg);
int handle_clear(PyObject *handle);
int handle_cancel_fields(HandleObject *h);
PyTypeObject *handle_subclass(PyObject *module, PyType_Spec *spec, PyObject *base);
int handle_setup(PyObject *module);
int check_slot(PyObject *type, const char *name, Py_ssize_t offset); /* ImportError when it lies elsewhere */
static inline bool handle_is_cancelled(PyObject *h) { return ((HandleObject *)h)->cancelled == Py_True; }

/* threadsafe.c */
PyObject *new_thread_safe_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                                 PyObject *context);
int run_thread_safe_handle(LoopObject *loop, PyObject *handle);
int thread_safe_handle_setup(PyObject *module);

/* plain.c */
int plain_setup(void);
bool socket_is_plain(PyObject *sock);
bool accepts_plain_sockets(void);

/* watch.c */
int watch_begin(LoopObject *loop, int fd, PyObject *file, PyObject *handle, bool writer);
int watch_end(LoopObject *loop, int fd, PyObject *handle, bool writer);
int descriptor_of(PyObject *file); /* -1 with an exception */
PyObject *loop_add_watch(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *kwnames, bool writer);
PyObject *loop_remove_watch(LoopObject *, PyObject *fd, bool writer);
PyObject *loop_connect(LoopObject *, PyObject *const *, Py_ssize_t); /* connect.c */
PyObject *loop_watched(LoopObject *, PyObject *ignored);
PyObject *loop_watched_fd(LoopObject *, PyObject *file);
PyObject *loop_fd_has_transport(LoopObject *, PyObject *);

/* child.c */
PyObject *loop_child_watcher(LoopObject *, PyObject *name);
PyObject *loop_child(LoopObject *, PyObject *args);
int on_child_exited(LoopObject *loop, gl_cqe *c);

/* readiness.c */
PyObject *loop_readiness(LoopObject *, PyObject *fd, bool writer);
int readiness_setup(PyObject *module);

/* server.c */
PyObject *loop_listen(LoopObject *, PyObject *args);
PyObject *loop_unlisten(LoopObject *, PyObject *);
int on_accept_failed(LoopObject *loop, ListenerObject *listener, gl_cqe *c);
int server_setup(PyObject *module);

/* accept.c */
int on_accepted(LoopObject *loop, ListenerObject *listener, gl_cqe *c);
int make_accepted(LoopObject *loop, bool put_off);
void age_accepted(LoopObject *loop);
void accepted_clear(LoopObject *loop);
PyObject *loop_is_accepting(LoopObject *loop, PyObject *ignored);
PyObject *loop_cancel_accepted(LoopObject *loop, PyObject *ignored);

/* transport.c */
int transport_setup(PyObject *module);
/* fd is the caller's until success. context: NULL is a copy of the current one. */
int transport_init(TransportObject *t, LoopObject *loop, int fd, PyObject *context);
int transport_attach(TransportObject *t, enum fd_kind kind, uint16_t op, uint16_t flags);
/* The loop keeps a transport alive while it reads or has bytes to write, as asyncio's
 * selector does; otherwise its table only borrows. */
static inline void transport_pin(TransportObject *t) {
    bool pin = t->attached && (t->buffered > 0 || (!t->paused && !t->ended && !t->closing));
    if (pin == t->pinned) return;
    t->pinned = pin;
    if (pin)
        Py_INCREF(t);
    else
        Py_DECREF(t); /* the caller has a reference of its own */
}
int transport_fatal(TransportObject *t, PyObject *exception, const char *message); /* steals */
int transport_force_close(TransportObject *t, PyObject *exception);
int transport_close(TransportObject *t);
PyObject *method_call_connection_lost(TransportObject *t, PyObject *exception);
int transport_detach(TransportObject *t);
int transport_evict(TransportObject *t, bool gone); /* its number is another's; gone: and its file is closed */
int transport_fill_extra(TransportObject *t, PyObject *peername); /* NULL: of the peer field */
void transport_keep_peer(TransportObject *t); /* the address of an internet socket, which is gone when the peer is */
int transport_flush(TransportObject *t);
int transport_maybe_pause(TransportObject *t);
int transport_wrote(TransportObject *t, int64_t n); /* the kernel took n bytes of the queue */
static inline bool transport_must_tell(TransportObject *t) {
    return (t->protocol_paused && t->buffered <= t->low) ||
           (t->buffered == 0 && (t->closing || (t->pinned && (t->paused || t->ended))));
}
enum { WARN_AFTER = 5 }; /* writes after the end: asyncio's LOG_THRESHOLD_FOR_CONNLOST_WRITES */
int transport_warn_lost(TransportObject *t); /* counts a write after the end, and warns of many */
int transport_traverse(PyObject *self, visitproc visit, void *arg);
int transport_clear(PyObject *self);
static inline bool is_transport(enum fd_kind kind) { return kind == FD_STREAM || kind == FD_DATAGRAM; }
#define TRANSPORT(t) ((TransportObject *)(t))

/* sending.c */
bool batch_may_hold(LoopObject *loop, int64_t callbacks);
int64_t batch_begins(LoopObject *loop, int64_t callbacks); /* 0: nothing is to be said of its end */
bool batch_holds(LoopObject *loop);
/* After each callback, whose outcome is rc. */
static inline int callback_ran(LoopObject *loop, int rc) {
    if (loop->barred && rc == 0) rc = unbar_arrivals(loop);
    return loop->sq_sends && rc == 0 && !batch_holds(loop) ? submit_now(loop) : rc;
}
void batch_ended(LoopObject *loop, int64_t callbacks, int64_t began);
/* Whether a write is held back. */
static inline bool transport_gathers(TransportObject *t) { return t->loop->holds && !t->drains; }
bool has_drain(PyObject *protocol);
int transport_send(TransportObject *t, gl_sqe *s);
int transport_waits(TransportObject *t, int64_t n);
static inline bool transport_sends_now(TransportObject *t) {
    return t->unsent == 0 && !t->loop->in_turn && t->attach_epoch != t->loop->sq_epoch;
}

/* callback.c */
enum callback_name { STREAM_LOST, DATAGRAM_LOST, READ_PIPE_LOST, WRITE_PIPE_LOST, PIPE_READ, DATAGRAM_READ, DATAGRAM_SEND };
int callbacks_setup(void);
enum callback_name lost_name(TransportObject *t); /* of its connection_lost */
PyObject *new_lost_callback(TransportObject *t);
int transport_callback_failed(TransportObject *t, PyObject *exception, enum callback_name name); /* steals */

/* owed.c */
void transport_owe(TransportObject *t, bool first);
PyObject *new_entered(TransportObject *t);
void steal_entered(PyObject *context);
int transport_hold(TransportObject *t, PyObject *received);
PyObject *borrow_held(TransportObject *t);
void transport_taken(TransportObject *t);
int transport_schedule_lost(TransportObject *t, PyObject *exception);
int owed_pay(LoopObject *loop);
void owed_clear(LoopObject *loop);
int owed_traverse(LoopObject *loop, visitproc visit, void *arg);

/* stream.c */
int stream_setup(PyObject *module);
StreamObject *new_stream(LoopObject *loop, int fd, PyObject *protocol, PyObject *context);
int stream_attach(StreamObject *t);

/* stream_write.c */
int stream_queue(StreamObject *t, PyObject *data);
PyObject *stream_write(StreamObject *t, PyObject *data);
PyObject *stream_writelines(StreamObject *t, PyObject *list);
PyObject *stream_write_eof(StreamObject *t, PyObject *ignored);
int stream_wrote(StreamObject *t, int64_t n);
static inline bool stream_must_tell(StreamObject *t) {
    return t->write_error || (t->buffered == 0 && t->empty_waiter) || transport_must_tell(TRANSPORT(t));
}
PyObject *stream_make_empty_waiter(StreamObject *t, PyObject *ignored);
PyObject *stream_reset_empty_waiter(StreamObject *t, PyObject *ignored);
int stream_lost(StreamObject *t);

/* stream_read.c */
int on_data(StreamObject *t, const char *p, Py_ssize_t n);
int on_readable(StreamObject *t, Py_ssize_t hint);
int on_eof(StreamObject *t);
int on_error(StreamObject *t, int error, int direction);
int stream_failed(StreamObject *t, int error, int direction);
int stream_deliver_held(StreamObject *t);

/* pipe.c */
int pipe_setup(PyObject *module);
static inline bool is_pipe(PyObject *o) { return Py_IS_TYPE(o, ReadPipe_Type) || Py_IS_TYPE(o, WritePipe_Type); }
int pipe_ended(StreamObject *t);
int pipe_failed(StreamObject *t, PyObject *exception, int direction); /* steals */
int pipe_callback_failed(StreamObject *t, PyObject *exception);       /* steals */

/* datagram.c */
int datagram_setup(PyObject *module);
int on_datagram(TransportObject *t, gl_cqe *c);
int datagram_deliver_held(TransportObject *t);

/* sockaddr.c */
PyObject *sockaddr_to_python(const void *addr, socklen_t len);
int sockaddr_from_python(PyObject *address, int family, void *out, socklen_t *len); /* 0: not numeric */
int sockaddr_from_path(PyObject *path, void *out, socklen_t *len);

/* names.c */
PyObject *loop_getaddrinfo(LoopObject *, PyObject *const *, Py_ssize_t);
PyObject *loop_getnameinfo(LoopObject *, PyObject *const *, Py_ssize_t);
PyObject *loop_resolve_cancel(LoopObject *, PyObject *);
int on_resolved(LoopObject *loop, gl_cqe *c);

/* tls.c, tls_read.c */
int tls_setup(PyObject *module);
bool tls_takes_bytes(PyObject *protocol);
int tls_received(PyObject *protocol, const char *data, Py_ssize_t n);

/* Calls name(protocol, arg...) and drops the result. */
static inline int call_method_drop(PyObject *o, PyObject *name, PyObject *arg) {
    PyObject *argv[2] = {o, arg};
    PyObject *r = PyObject_VectorcallMethod(name, argv, arg ? 2 : 1, NULL);
    if (!r) return -1;
    Py_DECREF(r);
    return 0;
}

#endif
