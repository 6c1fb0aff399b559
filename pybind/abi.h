/* The boundary between the C extension (pybind/ext) and the engine (Go).
 *
 * Two arrays of fixed-size entries, io_uring's shape: C appends submissions and
 * hands them over with one call a turn; the engine answers in completions. It maps
 * the memory of both, and of the arena that received bytes lie in. loop/ring.go
 * holds the same structs in Go, which a test compares. goloop_api() tells which text of
 * this file the engine was built with, and the extension refuses one that is not its own.
 *
 * Every descriptor is named by (fd, gen). C chooses gen when it attaches, never
 * uses a pair twice, and drops a completion whose pair is no longer current.
 */
#ifndef GOLOOP_ABI_H
#define GOLOOP_ABI_H

#include <stddef.h>
#include <stdint.h>

/* What a submission asks for. */
enum gl_op {
    GL_OP_NOP = 0,
    GL_OP_TIMER_ADD = 1,    /* user: whose it is, len: due, ns of CLOCK_MONOTONIC; ptr: its name */
    GL_OP_TIMER_CANCEL = 2, /* user: its name */
    GL_OP_ATTACH = 3,       /* fd, gen, flags GL_ATTACH_*: a connected stream; reading starts unless PAUSED */
    GL_OP_WRITE = 4,        /* fd, gen, ptr, len, user: kept readable until done or released */
    GL_OP_SHUTDOWN = 5,     /* fd, gen: end of file to the peer after what is queued */
    GL_OP_PAUSE = 6,        /* fd, gen: read no more */
    GL_OP_RESUME = 7,       /* fd, gen; of a pipe, res: what the selector says against it */
    GL_OP_DISCARD = 8,      /* fd, gen: drop what is queued, neither read nor write again */
    GL_OP_DETACH = 9,       /* fd, gen: forget the descriptor, leave it open */
    GL_OP_CLOSE = 10,       /* fd, gen: forget the descriptor and close it */
    GL_OP_LISTEN = 11,      /* fd, gen, len: most connections to accept a turn */
    GL_OP_WATCH = 12,       /* fd, gen, flags GL_READ|GL_WRITE: replaces the set; 0 forgets. len: of the set, what begins. See GL_WATCH_* */
    GL_OP_DATAGRAM = 13,    /* fd, gen, flags GL_ATTACH_PAUSED: a datagram socket */
    GL_OP_SEND = 14,        /* fd, gen, ptr: gl_message, len: what it counts for in WROTE, user; kept as for WRITE */
    GL_OP_CONNECT = 15,     /* fd, ptr, len: a sockaddr; res: 0, EINPROGRESS or an errno */
    GL_OP_CHILD = 16,       /* flags GL_CHILD_*, user: whom CHILD_EXITED names, len: pid, fd: signal */
    GL_OP_RESOLVE = 17,     /* ptr: struct gl_query, user: any number; res: see there. flags GL_RESOLVE_CANCEL: user */
    GL_OP_TIMER_RESERVE = 18, /* len: there is room for so many timers. res ENOMEM: TIMER_ADD may fail for want of memory */
    GL_OP_QUEUE_RESERVE = 19, /* len: so many WRITEs and SENDs can be queued; res ENOMEM */
    GL_OP_TIMERS_ADD = 20,  /* ptr: struct gl_timer, len of them, in the order of scheduling; len, after: as gl_fresh.taken */
    GL_OP_BELL = 21,        /* res: 0, or the selector cannot tell. ptr: a uint32_t that holds len while the selector has nothing to find; until
                             * a turn asks the selector, but readable for ever */
    GL_OP_ASIDE = 22,       /* ptr: where turns with TURN_ASIDE write their completions. res ENOMEM */
    GL_OP_READ = 23,        /* fd, gen, res: C has told a read of its own that brought no bytes: an errno, or 0, the end of file */
    GL_OP_ROOM = 24,        /* fd, gen, len: of all that was written to a stream and is held; res: so many bytes may be, above its buffer's limit */
    GL_OP_PANIC = 255       /* tests: panic inside the engine */
};

enum { GL_READ = 1, GL_WRITE = 2, GL_FATAL = 4 };
enum { GL_PEERS = 64 }; /* DATAGRAM: places to remember senders at; the same sender always has the same */
enum { GL_SEND_ALONE = 1 }; /* SEND: res tells of a failure, no ERROR follows */
/* PIPE: read(2) and write(2) instead of recv and send. HANGUP: the writing end of a
 * pipe, never read: EOF tells that its reader has gone, and nothing more is written. */
enum { GL_ATTACH_PAUSED = 1, GL_ATTACH_PIPE = 2, GL_ATTACH_HANGUP = 4 };
enum { GL_RESOLVE_CANCEL = 1 }; /* res 0: RESOLVED will not come; ENOENT: it will, or has come */

/* The actions of CHILD; the first three name one child by user. res: ESRCH, the child has
 * been reaped. */
enum {
    GL_CHILD_ADD = 1,        /* len: pid; CHILD_EXITED follows, once */
    GL_CHILD_REMOVE = 2,     /* no CHILD_EXITED any more, and no reaping */
    GL_CHILD_KILL = 3,       /* fd: the signal to send */
    GL_CHILD_SCAN = 4,       /* SIGCHLDs may have been missed */
    GL_CHILD_CHOOSE = 5,     /* user: the child watcher from now on, 1 pidfd, 2 sigchld, 3 thread, or 0: as it is. res: the next child's, or EINVAL */
    GL_CHILD_SIGCHLD = 0x100 /* with ADD, SCAN: SIGCHLD reaches the pipe of goloop_signal_fd */
};

/* Flag of a WRITE: C has tried itself, after all that it wrote before had left; res is the errno. */
enum { GL_WRITE_TRIED = 1 };

/* Flag of a WATCH, with a direction that was watched alone and in whose place the next wait for it has come: goes on under
 * the same gen. The engine asks the system later, at its own time. */
enum { GL_WATCH_RENEWS = 4 };

/* Set by the engine in flags of a WATCH: the number was closed and given out again since
 * the last WATCH of it, so of the set only what this one begins is the new file's, and watched. */
enum { GL_WATCH_REPLACED = 0x100 };

/* Set by the engine in flags of a WRITE or SEND that it has handled. FAILED: res is
 * the errno, and an ERROR follows, unless ALONE. No flag: the pair was stale. Only after QUEUED does
 * the engine keep the bytes. */
enum { GL_SQE_DONE = 0x100, GL_SQE_QUEUED = 0x200, GL_SQE_FAILED = 0x400 };

typedef struct gl_sqe {
    uint16_t op;
    uint16_t flags;
    int32_t fd;
    uint32_t gen;
    int32_t res; /* engine: 0 or an errno */
    uint64_t user;
    uint64_t ptr;
    int64_t len; /* WRITE, after the call: bytes the kernel took at once */
} gl_sqe;

/* One of the timers that a TIMERS_ADD starts. */
typedef struct gl_timer {
    int64_t when;  /* due, ns of CLOCK_MONOTONIC; after the call: its name */
    uint64_t user; /* whose it is; 0: nobody's, and not started */
} gl_timer;

/* An address as Python's socket has it: host is text, or the path of a Unix socket. */
typedef struct gl_name {
    int32_t family;
    uint64_t host;
    int64_t host_len;
    int64_t port, flow, scope;
} gl_name;

/* What a SEND sends. addr_len 0: to whom the socket is connected. */
typedef struct gl_message {
    uint64_t ptr;
    int64_t len;
    uint64_t addr;
    int64_t addr_len;
} gl_message;

/* What a completion tells. The first five, and DATAGRAM, are for a transport. */
enum gl_kind {
    GL_DATA = 1,          /* fd, gen, ptr, len: bytes in the arena, valid until the next turn */
    GL_READABLE = 2,      /* fd, gen, len: a stream that fills its reads; fetch up to len bytes with goloop_read */
    GL_EOF = 3,           /* fd, gen; nothing more is read */
    GL_ERROR = 4,         /* fd, gen, res: errno, flags: GL_READ or GL_WRITE; the end of a stream, and with GL_FATAL of a datagram socket */
    GL_WROTE = 5,         /* fd, gen, len: bytes of the queue that the kernel took */
    GL_RELEASED = 6,      /* user: of a queued WRITE or SEND, no longer needed */
    GL_ACCEPTED = 7,      /* fd, gen: the listener; res: new descriptor; ptr, len: peer's sockaddr in the arena */
    GL_ACCEPT_FAILED = 8, /* fd, gen, res: errno; flags 1: no accept for a second, as asyncio waits */
    GL_WATCH_READY = 9,   /* fd, gen, flags: GL_READ or GL_WRITE, one each; res: not 0, the next wait for it must not renew this one */
    GL_TIMER_DUE = 10,    /* user: whose; it has no name any more */
    GL_SIGNAL = 11,       /* res: the number */
    GL_DATAGRAM = 12,     /* fd, gen, ptr, len: one datagram in the arena; user, res: its sender's sockaddr there; flags: the place of that, of GL_PEERS */
    GL_CHILD_EXITED = 13, /* res: pid, len: wait status, or -1 when another has reaped it; user */
    GL_RESOLVED = 14      /* user, flags: what; fd: errno, or res: gai_strerror's number; gen, ptr, len: the answer in the arena */
};

typedef struct gl_cqe {
    uint16_t kind;
    uint16_t flags;
    int32_t fd;
    uint32_t gen;
    int32_t res;
    uint64_t user;
    uint64_t ptr;
    int64_t len;
} gl_cqe;

/* What a lookup asks for. */
enum {
    GL_ADDRINFO = 1, /* getaddrinfo(3) of host and service */
    GL_NAMEINFO = 2  /* getnameinfo(3) of host, a numeric address, and service, a numeric port */
};

/* A lookup. The engine reads it, host and service before the submission returns, and
 * keeps no pointer to them. What address literals and numeric ports answer is in
 * the query then: res is 0. EALREADY: so is what libc would answer again, for now. EINPROGRESS:
 * RESOLVED brings the answer. Any other res is an errno, and nothing follows.
 *
 * An answer is count times struct gl_address, then text: of ADDRINFO the canonical name,
 * without a zero; of NAMEINFO host and service, each with one. In the arena it has no
 * alignment, and is valid until the next turn as DATA is: there is nothing to release. */
typedef struct gl_query {
    int32_t what;
    int32_t family, type, proto, flags; /* flags: AI_* or NI_* of the system */
    uint32_t flow, scope;               /* NAMEINFO: of an IPv6 address, in the host's order */
    uint32_t count;                     /* engine */
    uint64_t host, service;             /* text; 0: none */
    int64_t host_len, service_len; /* service_len: -1, service is a port, to be read in decimal */
    uint64_t answer; /* memory of C's for an answer at once */
    int64_t len;     /* C: its size; engine: bytes of the answer */
} gl_query;

typedef struct gl_address {
    int32_t family, type, proto, port;
    uint32_t flow, scope; /* of IPv6 */
    char host[48];        /* inet_ntop(3)'s text, with a zero behind it */
} gl_address;

#define GL_NAME 16 /* bytes of a name, with its end */

/* Of Go's runtime when it starts: python/goloop/capacity.py asks the system for that before it loads the engine. */
enum {
    GL_START_BESIDES = 6,     /* threads besides one for each processor: pybind/processors.go, and two to spare */
    GL_START_PROCS_LEAST = 2  /* with one, a thread that waits would keep the others from running */
};

/* What others may see of a loop at any time, also while it is stuck: numbers that are written by its thread alone, one at a
 * time, and read by any. */
enum {
    GL_PHASE_IDLE = 0,    /* nobody runs it */
    GL_PHASE_PYTHON = 1,  /* between two callbacks, or in one */
    GL_PHASE_ENGINE = 2,  /* 3 is loop.PhaseWaiting: in it, until something happens */
    GL_PHASE_GIL = 4,     /* the engine is done, and the GIL or the loop's guard is awaited */
    GL_TIMES = 112,       /* loop.Histogram's */
    GL_TIMED = 256        /* of so many callbacks, one's time is taken */
};

/* Callbacks that have begun, in one word that others read at once: counted down to the next whose time is taken, for that costs
 * two instructions. They are GL_TIMED * (word >> 16) - (word & 0xffff). */
typedef union gl_ran {
    uint64_t word;
    uint16_t parts[4]; /* GL_RAN_LEFT: callbacks to go, of GL_TIMED */
} gl_ran;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { GL_RAN_LEFT = 3 };
#else
enum { GL_RAN_LEFT = 0 };
#endif
#define GL_RAN_ROUND ((uint64_t)1 << 16 | GL_TIMED) /* of a new loop; when none is left, the next word is this, added to it */

typedef struct gl_pulse {
    uint32_t phase;
    gl_ran ran;
    uint64_t ready;     /* callbacks that the last batch began with, */
    uint64_t most_ready; /* and the longest */
    int32_t native;     /* the thread's number in the system, */
    uint64_t thread;    /* and Python's */
    int64_t interpreter;
    int64_t run_since;  /* ns: since when it is run, 0 when it is not, */
    int64_t run_before; /* and how long it was before */
    uint64_t taken;     /* ns: sum of the times that were taken, */
    uint32_t times[GL_TIMES]; /* and how many of them were so long */
    uint64_t late;      /* ns: the same of by how much timers were late that the engine never saw */
    uint32_t lates[GL_TIMES];
} gl_pulse;

/* Streams that C may read itself, without a turn: loop/near.go. A number's last bits are its place. */
enum {
    GL_NEAR_PLACES = 16,
    GL_NEAR_MOST = 2,     /* events of such a turn */
    GL_NEAR_BYTES = 4096, /* one that brings more in one read is near no more */
    GL_NEAR_TIME = 2000000 /* ns after `looked`: no such turn from then on */
};
typedef struct gl_near {
    int32_t fd;
    uint32_t gen; /* 0: nobody's */
    int32_t pipe; /* 1: read(2) instead of recv(2) */
} gl_near;

/* Timers that C has and the engine not, in the order of scheduling: each turn looks whether to take them (loop/fresh.go). */
typedef struct gl_fresh {
    gl_timer *timers;
    int32_t len, live; /* live: without those that are cancelled; 0: nothing is shown */
    int64_t first;     /* ns: none is due before */
    int32_t taken;     /* the engine: so many it has seen to, and each has a name; no memory: the others are to be shown again */
} gl_fresh;

/* One loop's memory. C writes selector and unbatched before goloop_open and sq, sq_len
 * before each turn; the engine writes the rest of the first part, and the last. In between is what C tells of the batches
 * that it has run, and the engine takes in a turn. */
typedef struct gl_shared {
    gl_sqe *sq; /* what a turn takes, of the rings of submissions: C fills one while the engine has the other */
    int32_t sq_len;
    int32_t cq_cap, sq_caps[2]; /* entries */
    gl_sqe *sqs[2];
    gl_cqe *cq;
    uint8_t *arena;
    int64_t arena_len;
    int32_t memory; /* the engine's number of all this; 0: it has none */
    char selector[GL_NAME]; /* a backend's name, or empty for the best */
    int32_t unbatched;      /* 1: no io_uring, each socket has system calls of its own */

    int64_t ran_short;   /* C adds: callbacks of batches of crowd or more that took hold_time or less, and their writes of long_send bytes or more */
    int64_t ran, ran_ns; /* C sets: the same of one that took longer, and its time; a turn is due before the next batch */

    uint64_t sent, sent_bytes; /* C counts: calls that wrote, and bytes that it has written itself */

    uint64_t near_turns, near_events, near_reads, near_bytes; /* C counts: its turns without the engine, and what they found and read */

    gl_near near[GL_NEAR_PLACES];
    int32_t near_left; /* so many turns may be such ones, */
    int32_t near_found, near_missed; /* C counts: those that found something; 1: the last did not. The engine takes both in a turn */

    gl_fresh fresh;        /* of a turn */
    int64_t next_deadline; /* ns; INT64_MAX without a timer of the engine's */
    int64_t looked;        /* ns, when a turn was last done with the selector */
    int32_t nfds;          /* descriptors and lookups that a poll could find ready, */
    int32_t own;           /* and besides them those that tell the engine of signals and children */
    int32_t timers_room;   /* timers that can be scheduled at a time for certain; one more may fail with ENOMEM */
    int32_t queue_room;    /* WRITEs and SENDs that can be queued for certain; any more may fail with ENOMEM */
    int32_t backlog;       /* completions that wait for room: do not sleep */
    int32_t unasked;       /* not 0: after so many turns without the engine, which C counts down, one is due. See GL_WATCH_RENEWS */
    int32_t wake_fd;       /* write a uint64_t 1 to end the wait */
    int32_t poll_fd;       /* of epoll or kqueue, or -1 */
    int32_t batch_fd;      /* of io_uring, or -1 */
    int32_t idles;         /* 1: before its next wait C gives back what a crowd has left, and writes 0 when that was something. Once a second at most */

    /* When what is written leaves: loop/briskness.go. */
    int64_t hold_time;  /* ns: writes that are held leave when the batch has run for so long, then each time when it has run */
    int64_t hold_most;  /* for twice as long as when they left last, but so long after that at most, */
    int32_t hold_sends; /* or when they are so many, or more than the buffer's limit: ROOM */
    int64_t long_send;  /* so many bytes: the time that they take to be sent is not their callbacks' */
    int32_t hold_from;  /* a batch of so many callbacks holds writes; INT32_MAX: none does */
    int32_t look_every; /* before such a batch, each so many-th time is enough to ask whether the selector has something */
    int32_t bell_after; /* so many looks in a row that found nothing are followed by a BELL, */
    int32_t bell_patience; /* but for the first so many times; counted down by C */
    int32_t crowd;      /* C takes the time of batches of so many callbacks */

    int32_t unheard_most; /* loop/host.go */
    int32_t flood;

    int32_t tries; /* 1: C tries itself to write what nothing waits before; 0: it leaves that to the engine */
    int32_t join_most; /* bytes: so many of one writelines() it copies, to write them at once */

    int64_t high_water, low_water; /* limits of a new transport's write buffer, bytes */

    gl_pulse pulse;

    struct gl_shared *next; /* of another open engine: gl_api.first */
} gl_shared;

enum { GL_LIMIT_HIGH = 1, GL_LIMIT_LOW = 2 };

/* How a turn treats the selector. */
enum { GL_TURN_POLL = 1, GL_TURN_WAIT = 2 };
/* It is taken while a completion in shared.cq is being dispatched, which keeps its entry and its bytes. */
enum { GL_TURN_ASIDE = 4 };
/* Before goloop_close, and until it brings nothing: transports are forgotten, and what they have queued comes as RELEASED. The selector
 * is not asked. */
enum { GL_TURN_LAST = 8 };

/* Every call returns a negative number on failure: an errno, or GL_PANICKED
 * after a recovered panic, upon which only goloop_close may follow. */
#define GL_PANICKED (-100000)

typedef struct gl_stats {
    uint64_t turns, events, submissions, completions;
    uint64_t reads, read_bytes, writes, write_bytes, accepts;
    uint64_t timers_added, timers_cancelled, timers_fired, overflows;
    uint64_t batches;    /* system calls that served several sockets */
    uint64_t host_turns; /* of turns, those of C */
} gl_stats;

#ifndef GOLOOP_ABI_STRUCTS_ONLY
/* What goloop_api(gl_api *) fills in, and nothing else is found by its name. It returns which text of this file the engine was built with. */
typedef struct gl_api {
    int32_t (*start)(int32_t procs);                                      /* once, before the first open; 0: no limit */
    int64_t (*open)(gl_shared *shared);
    int32_t (*turn)(int64_t engine, uint32_t flags);                      /* completions written */
    int32_t (*submit)(int64_t engine, gl_sqe *sq, int32_t n);            /* now, without a turn */
    int64_t (*read)(int64_t engine, int32_t fd, uint32_t gen, void *p, int64_t n);
    int32_t (*read_more)(int64_t engine, int32_t fd, uint32_t gen);       /* whether to read once more in this turn, now that the last is delivered */
    int32_t (*signal_fd)(int64_t engine);                                 /* for set_wakeup_fd */
    int32_t (*stats)(int64_t engine, gl_stats *out);
    int32_t (*close)(int64_t engine);
    int32_t (*widen)(gl_shared *shared, int32_t ring);                    /* doubles one of sqs that no turn has. Any thread. ENOMEM */
    int32_t (*release)(gl_shared *shared);                                /* after close: rings and arena may go; C has looked there until now */
    int32_t (*panic_text)(char *out, int32_t n);                          /* of the calling thread's last; length written */
    /* asyncio's set_write_buffer_limits(). given: GL_LIMIT_*, of high and low; the other is filled in. bytes: high, low. EINVAL: not
     * high >= low >= 0. */
    int32_t (*write_buffer_limits)(int32_t given, double *high, double *low, int64_t bytes[2]);
    int32_t (*address)(const void *sockaddr, int64_t len, gl_address *out); /* but for type and proto; family 0: neither IPv4 nor IPv6 */
    int32_t (*sockaddr)(const gl_name *name, void *out); /* into room of a sockaddr_storage. Its length; 0: host is no numeric address */
    gl_shared *first; /* the engine: of the open engines. Whole at any time, for a forked child, which closes poll_fd, wake_fd and batch_fd of each */
} gl_api;
#endif

#endif
