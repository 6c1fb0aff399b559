/* One turn: submissions go to the engine, its completions come back and run.
 *
 *   _run_once ─▶ take_turn ─▶ engine ─▶ settle_writes, resolve ─▶ run_batch ─┐
 *       ▲                                                                    │
 *       └──────────────────────── until stop() ◀─────────────────────────────┘
 *
 * A batch is what asyncio's _run_once runs: what was ready when the selector
 * returned, what transports owe (owed.c), then I/O in the selector's order, then due timers. When a callback
 * raises SystemExit or KeyboardInterrupt the rest of the batch waits for the
 * next run. */
#include "turn.h"

#include "accept.h"
#include "arrival.h"
#include "clock.h"
#include "completion.h"
#include "dispatch.h"
#include "engine.h"
#include "errors.h"
#include "handle.h"
#include "inbox.h"
#include "look.h"
#include "near.h"
#include "nested.h"
#include "owed.h"
#include "pulse.h"
#include "ready.h"
#include "ring.h"
#include "sending.h"
#include "sigstack.h"
#include "snapshot.h"
#include "threadsafe.h"
#include "tasks.h"
#include "timer.h"

/* Whether there is anything to look for. A pipe into which signals are written that nobody hears ends a sleep, and is
 * emptied now and then, for Python would complain of a full one. */
HOT static bool worth_a_look(LoopObject *loop) {
    gl_shared *sh = &loop->shared;
    if (sh->nfds || sh->own != 1 || !loop->signal_pipe || loop->hears_signals) return sh->nfds || sh->own;
    if (loop->unheard++ < loop->shared.unheard_most) return false;
    if (!look(loop)) loop->unheard = 0; /* else the next turn looks for what this one leaves */
    return true;
}

/* Turns without the engine. */
enum { RUN_READY = -1, RUN_READY_AND_TIMERS = -2 };

/* A turn that finds no descriptor ready. Timers that are as good as due when they are scheduled never see the engine. */
static int plan_timers(LoopObject *loop, enum timers_need need) {
    if (need != TIMERS_RUN || loop->timers_live) {
        int64_t now = loop->fresh.clock = monotonic_ns();
        if (loop->timers_live && now >= loop->shared.next_deadline) return 0;
        need = timers_look(loop, now);
    }
    if (need == TIMERS_WAIT) return RUN_READY;
    return need == TIMERS_RUN && !loop->owed ? RUN_READY_AND_TIMERS : 0;
}

/* What this turn needs of the engine: nothing, or the flags of a turn. As on asyncio
 * each turn sees what is ready when it begins, however many callbacks wait; of a brisk
 * crowd's turns, each look_every-th does. */
HOT static int plan(LoopObject *loop, bool must_poll) {
    enum timers_need need = timers_look(loop, loop->fresh.clock);
    if (loop->ready_len == 0 && need == TIMERS_WAIT && !loop->stopping && loop->shared.backlog == 0 && !loop->owed &&
        !inbox_has_some(loop))
        return GL_TURN_WAIT;
    if (must_poll || loop->sq_urgent || loop->shared.backlog) return GL_TURN_POLL;
    if (worth_a_look(loop) &&
        (!batch_may_hold(loop, (int64_t)loop->ready_len) || ++loop->unlooked >= loop->shared.look_every)) {
        loop->unlooked = 0;
        if (look(loop)) return GL_TURN_POLL;
    }
    if (loop->shared.unasked && --loop->shared.unasked == 0) return GL_TURN_POLL;
    if (loop->shared.ran_ns) return 0;
    return loop->timers_live || fresh_pile(loop)->live ? plan_timers(loop, need) : RUN_READY;
}

/* Asks the engine. With WAIT the loop sleeps there, unless another thread has something for it already. */
static int32_t ask_engine(LoopObject *loop, int flags) {
    int32_t n;
    loop->in_turn = true;
    look_anew(loop, flags);
    pulse_phase(loop, GL_PHASE_ENGINE);
    if (flags == GL_TURN_WAIT) {
        atomic_store(&loop->woken, false);
        atomic_store(&loop->sleeping, true);
        if (inbox_has_some(loop) || loop->ready_len) {
            atomic_store(&loop->sleeping, false);
            flags = GL_TURN_POLL;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    n = loop->api->turn(loop->engine, (uint32_t)flags | (loop->aside ? GL_TURN_ASIDE : 0));
    pulse_phase(loop, GL_PHASE_GIL);
    Py_END_ALLOW_THREADS
    pulse_phase(loop, GL_PHASE_PYTHON);
    loop->in_turn = false;
    loop->judged = UNJUDGED; /* the engine may say otherwise now */
    if (flags == GL_TURN_WAIT) atomic_store(&loop->sleeping, false);
    return n;
}

/* What runs next is what is ready by now. */
static inline void mark_batch(LoopObject *loop) {
    loop->todo = loop->ready_len;
    loop->owed_todo = loop->owed_len;
}

static int turn(LoopObject *loop, int flags) {
    if (engine_usable(loop) < 0) return -1;
    if (flags == GL_TURN_WAIT) {
        if (loop->deaf && steal_result(PyObject_CallMethod((PyObject *)loop, "_take_wakeup_fd", NULL)) < 0) return -1;
        if (PyErr_CheckSignals() < 0) return -1;
        if (loop->shared.idles && (ready_give_back(loop) | timers_give_back(loop) | handles_keep(loop->state, FEW_FREE))) loop->shared.idles = 0;
    }
    if (loop->timers_live) timers_withdraw(loop); /* not while the submissions of the last are settled: it may fill their array */
    if (loop->running && nest_begin(loop) < 0) return -1;
    gl_sqe *sq = loop->shared.sqs[loop->sq_now];
    int32_t sent = loop->sq_len;
    loop->shared.sq = sq;
    loop->shared.sq_len = sent;
    loop->sq_now ^= 1;
    ring_start(loop);
    timers_show(loop);
    int32_t n = ask_engine(loop, flags);
    loop->cq = loop->aside ? loop->aside : loop->shared.cq;
    loop->aside = NULL;
    loop->cq_head = 0;
    loop->cq_len = n > 0 ? n : 0;
    PyObject *pending = NULL; /* what follows runs Python */
    if (loop->fresh.shown) put_aside(&pending, timers_looked_at(loop));
    completions_resolve(loop);
    int rc = loop->hooks->settle(loop, sq, sent);
    if (pending) rc = raise_again(pending, rc);
    if (inbox_empty(loop) < 0) rc = -1;
    mark_batch(loop);
    if (loop->running && rc == 0) rc = gather_completions(loop);
    if (n < 0) return engine_error(loop, n);
    if (rc < 0) return -1;
    return PyErr_CheckSignals();
}

static int look_and_take(LoopObject *loop, int flags) {
    if (flags == GL_TURN_WAIT && near_may(loop)) {
        int done = near_turn(loop, &flags);
        if (done < 0 || inbox_empty(loop) < 0) return -1;
        if (done) {
            mark_batch(loop);
            return PyErr_CheckSignals();
        }
    }
    return turn(loop, flags);
}

static inline int take_turn(LoopObject *loop, int flags) {
    snapshot_drop(loop);
    if (inbox_empty(loop) < 0) return -1;
    if (flags >= 0) return look_and_take(loop, flags);
    if (flags == RUN_READY_AND_TIMERS && timers_run_fresh(loop) < 0) return -1;
    mark_batch(loop);
    return 0;
}

/* Of one in GL_TIMED: apart, so that the others keep no time in a register. */
static __attribute__((noinline, cold)) int run_timed(LoopObject *loop, gl_cqe *c, PyObject *handle) {
    int64_t began = pulse_timed(loop);
    int rc = c ? dispatch(loop, c) : run_handle(loop, handle);
    pulse_ended(loop, began);
    return rc;
}

/* A completion, or a handle. */
static inline int run_one(LoopObject *loop, gl_cqe *c, PyObject *handle) {
    if (pulse_begins(loop)) return run_timed(loop, c, handle);
    return c ? dispatch(loop, c) : run_handle(loop, handle);
}

/* Connections that come after stop() wait for the next run, as asyncio's tasks would: only then is known whether
 * their server is wanted any more. They are kept before what is left of the batch. A callback may enter the loop
 * again, and run the rest: nested.c. */
static int run_completions(LoopObject *loop) {
    bool put_off = loop->put_off; /* by the run before */
    loop->put_off = false;
    int rc = 0;
    while (rc == 0 && loop->cq_head < loop->cq_len) {
        gl_cqe *c = loop->running = &loop->cq[loop->cq_head];
        bool stopped = loop->stopping && !put_off;
        if (loop->attached && c->kind != GL_ACCEPTED && !stopped) {
            rc = make_accepted(loop, put_off);
        } else {
            loop->cq_head++;
            if (c->kind == GL_ACCEPTED && stopped)
                loop->cq[loop->cq_kept++] = *c;
            else
                rc = callback_ran(loop, run_one(loop, c, NULL));
        }
        loop->running = NULL;
    }
    if (rc == 0 && loop->attached && (put_off || !loop->stopping))
        rc = make_accepted(loop, put_off);
    completions_unkeep(loop);
    loop->put_off = loop->cq_head < loop->cq_len || loop->attached;
    if (has_young(loop)) age_accepted(loop);
    return rc;
}

HOT static int run_batch(LoopObject *loop) {
    int64_t callbacks = (int64_t)loop->todo + loop->cq_len - loop->cq_head;
    int64_t began = batch_begins(loop, callbacks);
    do {
        while (loop->todo) {
            PyObject *handle = ready_steal(loop);
            int rc = callback_ran(loop, run_one(loop, NULL, handle));
            Py_DECREF(handle);
            if (rc < 0) return -1;
        }
        if (loop->owed_todo && owed_pay(loop) < 0) return -1;
        if (loop->running) break; /* a nested turn's completions are handles */
        if (run_completions(loop) < 0) return -1;
    } while (loop->todo); /* completions that a nested turn has made handles and left */
    if (began) batch_ended(loop, callbacks, began);
    return 0;
}

/* What the last callbacks wrote leaves before the caller goes on. */
static PyObject *leave(LoopObject *loop, int rc) {
    loop->holds = false;
    loop->judged = UNJUDGED;
    snapshot_drop(loop);
    if (loop->engine > 0 && loop_is_ours(loop) && loop->sq_urgent) {
        PyObject *exception = rc < 0 ? PyErr_GetRaisedException() : NULL;
        if (submit_now(loop) < 0) {
            rc = -1;
            if (exception) PyErr_Clear();
        }
        if (exception) PyErr_SetRaisedException(exception);
    }
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

/* Whether an earlier batch has left completions, or connections that are not made. */
static bool is_left(LoopObject *loop) {
    if (loop->cq_head < loop->cq_len) loop->put_off = true;
    return loop->put_off;
}

/* Turns until stop(), when run_forever() calls; else one. */
HOT static int run_once(LoopObject *loop) {
    bool forever = loop->forever;
    if (!forever) {
        int rc = !loop->running && is_left(loop) ? run_batch(loop) : gather_completions(loop);
        if (rc == 0) rc = take_turn(loop, plan(loop, true));
        return rc == 0 ? run_batch(loop) : rc;
    }
    loop->forever = false; /* not for who calls from a callback */
    bool must_poll = worth_a_look(loop) || loop->sq_len; /* each run begins with what the selector has */
    /* What an interrupted run left: completions first, for the next turn takes
     * their memory. Without any, its callbacks are ready ones among others. */
    int rc = is_left(loop) ? run_batch(loop) : 0;
    while (rc == 0) {
        guard_lend(loop->guard);
        rc = take_turn(loop, plan(loop, must_poll));
        must_poll = false;
        if (rc == 0) rc = run_batch(loop);
        if (loop->stopping || loop->custom_time) break;
    }
    loop->forever = true;
    return rc;
}

HOT PyObject *loop_run_once(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    ensure_signal_stack();
    unsigned long own = own_thread(), before = atomic_load(&loop->runner);
    if (loop->in_turn || (before && before != own)) {
        PyErr_SetString(PyExc_RuntimeError, "This event loop is already running");
        return NULL;
    }
    if (clock_look(loop) < 0) return NULL;
    atomic_store(&loop->runner, own);
    uint32_t phase = pulse_runs(loop);
    PyObject *r = loop->custom_time ? PyObject_CallMethod((PyObject *)loop, "_run_by_clock", NULL) : leave(loop, run_once(loop));
    pulse_runs_no_more(loop, phase);
    atomic_store(&loop->runner, before);
    if (!before) tasks_run_ended(loop);
    return r;
}

/* ---- the two halves of a turn, for a loop whose time() is replaced ---- */

/* _turn(wait): asks the selector, and may wait when there is nothing to run. What has come waits for _batch. */
PyObject *loop_turn(LoopObject *loop, PyObject *wait) {
    completions_drop_cancelled(loop); /* as the alarm that has ended the last */
    loop->put_off = loop->put_off && (loop->cq_head < loop->cq_len || loop->attached);
    if (loop->custom_time && is_left(loop)) Py_RETURN_NONE; /* the next would take their memory */
    if ((loop->barred && unbar_arrivals(loop) < 0) || gather_completions(loop) < 0) return NULL;
    if (has_young(loop)) age_accepted(loop);
    int flags = plan(loop, true);
    if (flags == GL_TURN_WAIT && wait != Py_True) flags = GL_TURN_POLL;
    return none_or_null(take_turn(loop, flags));
}

/* _batch(due): runs what is ready, what the last _turn has brought, and the timers
 * of the list. After SystemExit or KeyboardInterrupt the rest is left for the next. */
PyObject *loop_batch(LoopObject *loop, PyObject *due) {
    if (!PyList_CheckExact(due)) {
        PyErr_SetString(PyExc_TypeError, "_batch(list)");
        return NULL;
    }
    if (inbox_empty(loop) < 0) return NULL;
    mark_batch(loop);
    int rc = run_batch(loop);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(due); i++) {
        PyObject *handle = PyList_GET_ITEM(due, i);
        if (rc == 0) {
            rc = run_handle(loop, handle);
            continue;
        }
        PyObject *exception = PyErr_GetRaisedException();
        if (ready_push(loop, handle) < 0) PyErr_Clear();
        PyErr_SetRaisedException(exception);
    }
    return leave(loop, rc);
}

static bool has_come(LoopObject *loop) {
    bool come = loop->ready_len || inbox_has_some(loop) || loop->owed || loop->stopping || loop->put_off;
    for (int32_t i = loop->cq_head; !come && i < loop->cq_len; i++) {
        const gl_cqe *c = &loop->cq[i];
        come = c->kind == GL_RUN_HANDLE ? !handle_is_cancelled((PyObject *)(uintptr_t)c->user) : c->kind != GL_NOTHING;
    }
    return come;
}

/* _has_come(): whether the last _turn has brought something to run, or something is there without one. Cancelled handles,
 * as that of the alarm which has ended it, are not. */
PyObject *loop_has_come(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(has_come(loop));
}

/* _at_rest(): not 0 if a run would find nothing to do but what it is for, and has nobody to tell of it: the version of the
 * loop's class, which any change of its methods changes. */
PyObject *loop_at_rest(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (loop->closed || loop->engine <= 0 || !loop_is_ours(loop)) return PyLong_FromLong(0);
    bool runs = atomic_load(&loop->runner) || loop->thread_id != Py_None || loop->barred || has_come(loop);
    bool waits = loop->sq_len || loop->shared.nfds || loop->shared.backlog || loop->timers_live || fresh_pile(loop)->live;
    bool told = loop->debug || loop->task_factory != Py_None || loop->hears_signals || loop->custom_time;
    return PyLong_FromUnsignedLong(runs || waits || told ? 0 : class_version(Py_TYPE(loop)));
}
