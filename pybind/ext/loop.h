/* The loop's fields, each group under the name of who answers for it. Whoever includes this may read
 * them; only that file, and the inline functions of its header, write them. All are guarded by the
 * loop's guard, but for those that say otherwise. */
#ifndef GOLOOP_LOOP_H
#define GOLOOP_LOOP_H

#include "guard.h"
#include "state.h"

#include <pthread.h>

/* What files below need of those above. */
typedef struct {
    int (*settle)(LoopObject *loop, gl_sqe *sq, int32_t n);   /* settle.c: submissions that the engine has handled */
    int (*dispatch)(LoopObject *loop, gl_cqe *c);             /* dispatch.c: one completion */
    int (*make_accepted)(LoopObject *loop, bool put_off);     /* accept.c */
} LoopHooks;

/* scheduled.c: timers that the engine has not taken, in the order of scheduling. */
typedef struct {
    gl_timer *timers; /* user: the handle, 0 of one that is cancelled */
    uint32_t cap, len, live; /* live: without those that are cancelled */
    int64_t first, last; /* ns: of all since there was none */
    bool unordered;      /* one is due before an earlier one */
} TimerPile;
typedef struct {
    TimerPile piles[2];
    int now;       /* the one that fills; while a turn looks at it, the other, from other threads */
    bool shown;    /* it does, */
    bool disturbed; /* and one of them was cancelled meanwhile */
    int64_t clock; /* ns: the last reading of call_later(), or of a turn since */
} Fresh;

typedef struct TimerLink {
    struct TimerLink *previous, *next;
} TimerLink;

struct LoopObject {
    PyObject_HEAD
    /* attributes that BaseEventLoop reads and writes */
    char closed, stopping, debug;
    PyObject *thread_id; /* None or int */
    PyObject *current_handle;
    PyObject *task_factory; /* or None */

    PyObject *module; /* whose state `state` is */
    State *state;
    const LoopHooks *hooks;
#ifdef Py_GIL_DISABLED
    PyObject *guard;
#endif
    _Atomic(unsigned long) runner; /* identity of the thread that runs the loop, 0: none */

    /* ready.c: a ring of handles, cap a power of two */
    PyObject **ready;
    size_t ready_head, ready_len, ready_cap;
    size_t todo; /* of the batch under way */

    /* inbox.c: handles of other threads, the last one first. Any thread, without the guard */
    _Atomic(PyObject *) inbox;
    atomic_size_t inbox_len;
    atomic_bool sleeping; /* in the selector, or about to look there */
    atomic_bool woken;    /* since it sleeps */
    atomic_int wakers;    /* threads that may write to shared.wake_fd */

    /* snapshot.c */
    uint32_t copies;    /* contexts that were copied in this turn */
    PyObject *snapshot; /* of what was scheduled last in this turn, or NULL */
    PyObject *lent;     /* to callbacks of this turn, one after the other, or NULL */

    /* turn.c */
    bool forever;       /* run_forever() calls: _run_once goes on until stop() */
    int32_t unlooked;   /* turns in a row that did not ask the selector */
    bool deaf;          /* signals do not end a sleep as yet: _take_wakeup_fd */
    bool hears_signals; /* the loop has handlers of signals; else their pipe only ends its sleep */
    int32_t unheard;   /* turns that did not ask because of that */
    bool signal_pipe;   /* looptype.c: is one of shared.own */

    /* look.c */
    int32_t found_nothing; /* looks in a row */
    _Atomic(uint32_t) *bell; /* holds bell_silent while a look would find nothing; or NULL */
    uint32_t bell_silent;

    /* sending.c */
    bool holds;         /* what the batch writes may leave together; */
    int64_t judged;     /* so many callbacks had a batch of which that was said, and which was no crowd; UNJUDGED: say it anew */
    int64_t batch_began; /* ns */
    int64_t holds_until; /* ns: what is held leaves with the first callback that returns then or later */
    int64_t sending, long_sends; /* ns: what long sends of the batch have taken; how many calls have written as much */
    struct { /* what the engine last said to ROOM: true of this epoch's submissions */
        uint64_t epoch;
        int fd, bytes;
        uint32_t gen;
    } room;

    /* engine.c */
    int64_t engine; /* handle, 0 when there is none */
    uint64_t generation;  /* of the process that opened it */
    const gl_api *api;
    gl_shared shared;
    bool in_turn;

    /* clock.c */
    bool custom_time;    /* time() is not ours: Python keeps the timers */
    bool custom_call_at; /* call_at() is not ours: call_later() goes through it */

    /* ring.c */
    bool tells_later; /* owed.c: of what leaves to make room */
    int sq_now; /* of shared.sqs, the one that fills */
    int32_t sq_len, sq_urgent, sq_sends; /* all; those that a turn is for; WRITE and SEND */
    int64_t sq_bytes; /* of streams' WRITEs */
    uint64_t sq_epoch;

    /* completion.c: those of the batch under way */
    gl_cqe *cq; /* shared.cq, or what was aside */
    int32_t cq_head, cq_len;
    int32_t cq_kept;      /* at its start, for the next run */
    gl_cqe *running;      /* the one that is being dispatched, or NULL */
    bool put_off;         /* stop() has left some for the next run */
    gl_cqe *aside;        /* nested.c: where the next turn's go instead of shared.cq, or NULL */
    PyObject *barred;     /* arrival.c: list of what waits for a callback to return, or NULL */

    /* accept.c */
    PyObject *attached; /* list of streams that wait for connection_made, from attached_at on; or NULL: none */
    Py_ssize_t attached_at;
    uint64_t accept_era;     /* counts batches after which some connection was young, */
    uint64_t young_until;    /* which the last is until this one */
    uint32_t accept_cancels; /* how often they were cancelled */
    bool accept_begun;       /* a factory runs */

    /* owed.c: transports that owe their protocol something */
    TransportObject *owed, *last_owed;
    size_t owed_len, owed_todo; /* owed_todo: of the batch under way */

    /* descriptors.c */
    struct FdEntry *fds;
    int32_t fds_len;

    PyObject *keywords[2]; /* tasks.c: {"loop": the loop} while it runs, or NULL; with eager_start. Of its thread, without the guard, as: */
    PyObject *arguments; /* (None,) */

    /* names.c */
    uint64_t lookups; /* the number of the last */
    PyObject *literals; /* answers without a lookup that goloop.names keeps: tuples in a tuple */

    /* scheduled.c */
    Fresh fresh;
    TimerLink timers; /* of handles; those that were cancelled while the engine had its turn come first */
    uint32_t timers_live;
};

static inline unsigned long own_thread(void) { return (unsigned long)pthread_self(); } /* as runner has it */

#ifdef Py_GIL_DISABLED
static inline PyObject *guard_of_LoopObject(LoopObject *loop) { return loop->guard; }
#endif

#endif
