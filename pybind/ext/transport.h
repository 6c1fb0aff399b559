/* What every transport has, whatever it carries, and its place in the loop's tables.
 *
 *   open --close()--> closing --queue empty--> conn_lost --next turn--> lost
 *    |                                            ^
 *    +--abort(), error, _force_close()------------+
 *
 * closing: no more reading, what is queued still leaves. conn_lost: connection_lost
 * is scheduled. lost: it has run, the descriptor is closed. */
#ifndef GOLOOP_TRANSPORT_H
#define GOLOOP_TRANSPORT_H

#include "descriptors.h"
#include "loop.h"
#include "ring.h"

#include <sys/socket.h>

/* The names that its callbacks have in messages: callback.c. */
enum callback_name { STREAM_LOST, DATAGRAM_LOST, READ_PIPE_LOST, WRITE_PIPE_LOST, PIPE_READ, DATAGRAM_READ, DATAGRAM_SEND };

/* What differs from one kind to the other. */
typedef struct TransportKind {
    FdOwner asks;
    enum callback_name lost_name;
    const char *failed[2]; /* of a stream: what a failed read, and a failed write, is in messages */
    const char *written_after_end; /* the warning of many writes then */
    bool hears_refusal; /* who starts or resumes reading is told at once what the selector says against it, as by add_reader */
    bool errors_follow; /* of what close() has sent; connection_lost comes after */
    bool (*must_tell)(TransportObject *t);
    int (*wrote)(TransportObject *t, int64_t n); /* the kernel took n bytes of the queue, or failed */
    int (*send_failed)(TransportObject *t, int error);
    void (*write_failed)(TransportObject *t, int error); /* the same among other submissions; NULL: an ERROR follows */
    int (*deliver_held)(TransportObject *t); /* in its context */
    PyObject *(*connection_lost)(TransportObject *t, PyObject *exception); /* ending.c, of all */
    int (*lost)(TransportObject *t); /* after that; may be NULL */
} TransportKind;

enum { SHORT_ADDRESS = 8 }; /* of IPv4 what follows is always zero */
typedef struct {
    uint8_t len, raw[];
} Address;

/* The slots of asyncio's transports._FlowControlMixin, which loop.sendfile asks for, come first;
 * methods.c checks them at import. */
#define TRANSPORT_FIELDS                                                                           \
    PyObject_HEAD PyObject *extra; /* BaseTransport._extra */                                      \
    PyObject *unused_high_water;                                                                   \
    LoopObject *loop;                                                                              \
    PyObject *unused_low_water, *unused_protocol_paused;                                           \
    /* references */                                                                               \
    PyObject *protocol;                                                                            \
    PyObject *sock;    /* the socket.socket that owns fd, or NULL: we own it */                    \
    PyObject *former_sock; /* the one that owned it, closed, or NULL */                            \
    PyObject *server;                                                                              \
    PyObject *sockname; /* the address that its listener is known to have, or NULL */              \
    PyObject *context; /* of all callbacks of the protocol but pause_writing, a part of write() */  \
    PyObject *held;    /* list of what was read and not delivered, or NULL */                      \
    uint32_t held_at, held_offset; /* of its first piece, and what of that is delivered */         \
    PyObject *end;     /* of connection_lost, where that could not be scheduled */                 \
    struct TransportObject *next_owed, *next_told;                                                 \
    PyObject *dict, *weakrefs;                                                                     \
    const TransportKind *kind;                                                                     \
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
    bool telling;      /* stands in a list of settle.c */                                          \
    bool duplicate;    /* fd is a copy of the one in sock, and ours */                             \
    bool put_off;      /* connection_lost comes a turn later than it was scheduled for */          \
    uint16_t family, type, proto;                                                                  \
    bool peer_is_inet;                                                                             \
    union { uint8_t inet[SHORT_ADDRESS]; Address *other; } peer; /* extra.c: zeros, it is not known */ \
    Address *local;    /* extra.c: kept when the descriptor goes, or NULL */                        \
    struct AttachedObject *attached_to; /* attached.c: it is one of these, or NULL; borrowed */       \
    uint32_t attached_at;

struct TransportObject {
    TRANSPORT_FIELDS
};
#define TRANSPORT(t) ((TransportObject *)(t))

#ifdef Py_GIL_DISABLED
static inline PyObject *guard_of_TransportObject(TransportObject *t) { return t->loop->guard; }
#endif

/* What one is made of. File, extra and context may be NULL or None. */
typedef struct {
    PyObject *file; /* that owns fd */
    int fd;         /* the caller's until success */
    PyObject *protocol, *extra;
    PyObject *context; /* else a copy of the current one */
} Parts;

TransportObject *new_transport(PyTypeObject *type, const TransportKind *kind, LoopObject *loop, const Parts *parts);
int transport_attach(TransportObject *t, uint16_t op, uint16_t flags); /* into the tables, not reading yet */
int transport_start_reading(TransportObject *t); /* unless its protocol has paused it, or is done with it */
PyObject *transport_unmake(TransportObject *t); /* one that could not be attached: socket and descriptor are the caller's again. NULL */
int transport_detach(TransportObject *t); /* out of them; its descriptor stays open */

/* The loop keeps a transport alive while it reads or has bytes to write, as asyncio's
 * selector does; otherwise its table only borrows. */
static inline void transport_pin(TransportObject *t) {
    bool pin = t->attached && (t->buffered > 0 || (!t->paused && !t->ended && !t->closing));
    if (pin == t->pinned) return;
    t->pinned = t->loop->fds[t->fd].owned = pin;
    if (pin)
        Py_INCREF(t);
    else
        Py_DECREF(t); /* the caller has a reference of its own */
}

static inline bool transport_must_tell(TransportObject *t) {
    return (t->protocol_paused && t->buffered <= t->low) ||
           (t->buffered == 0 && (t->closing || (t->pinned && (t->paused || t->ended))));
}
static inline int transport_flush(TransportObject *t) { return t->loop->in_turn ? 0 : submit_now(t->loop); }

/* Enters the transport's context for a callback of its protocol, and leaves it. */
PyObject *new_entered(TransportObject *t);
PyObject *new_entered_once(TransportObject *t); /* NULL without an exception: it is entered already, by one that waits inside */
void steal_entered(PyObject *context); /* NULL: nothing was entered */

/* What was read and is not delivered. */
int transport_hold(TransportObject *t, PyObject *received);
PyObject *borrow_held(TransportObject *t); /* the first of it, to be taken by transport_taken */
void transport_taken(TransportObject *t);
void transport_owe(TransportObject *t, bool first); /* owed.c pays */

/* What the table asks, of all kinds. */
PyObject *transport_file(PyObject *owner);
bool transport_keeps(PyObject *owner, enum fd_claim claim);
void transport_forgotten(PyObject *owner);

#endif
