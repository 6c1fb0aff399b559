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
#include "core.h"

#include <errno.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/epoll.h>
#endif
#include <time.h>
#include <unistd.h>

/* ---- submissions ---- */

gl_sqe *new_sqe(LoopObject *loop, uint16_t op, int fd, uint32_t gen) {
    if (loop->sq_len == loop->sq_cap[loop->sq_now]) {
        if (!loop->in_turn) {
            if (submit_now(loop) < 0) return NULL;
        } else {
            /* Another thread fills the ring while the engine waits: a wrong program,
             * but one that must lose nothing. */
            int now = loop->sq_now;
            gl_sqe *sq = realloc(loop->sq[now], 2 * (size_t)loop->sq_cap[now] * sizeof *sq);
            if (!sq) {
                PyErr_NoMemory();
                return NULL;
            }
            loop->sq[now] = sq;
            loop->sq_cap[now] *= 2;
        }
    }
    gl_sqe *s = &loop->sq[loop->sq_now][loop->sq_len++];
    *s = (gl_sqe){.op = op, .fd = fd, .gen = gen};
    if (op > GL_OP_TIMER_CANCEL) {
        loop->sq_urgent++;
        loop->sq_sends += op == GL_OP_WRITE || op == GL_OP_SEND;
        if (loop->in_turn) loop_wake(loop);
    }
    return s;
}

/* Settles the Write and Send entries of submissions that the engine has handled. Python
 * code runs only after the last of them: it may submit, and fill the array. */
static int settle_writes(LoopObject *loop, gl_sqe *sq, int32_t n) {
    TransportObject *notify = NULL, **last = &notify; /* those that have something to tell their protocol */
    int rc = 0;
    for (int32_t i = 0; i < n; i++) {
        gl_sqe *s = &sq[i];
        if (s->op != GL_OP_WRITE && s->op != GL_OP_SEND) continue;
        FdEntry *e = fd_lookup(loop, s->fd, s->gen);
        if (e && is_transport(e->kind)) {
            TransportObject *t = TRANSPORT(e->owner);
            t->unsent--;
            t->buffered -= s->len;
            bool stream = e->kind == FD_STREAM;
            if (stream && s->flags & GL_SQE_FAILED) ((StreamObject *)t)->write_error = s->res;
            if (stream ? stream_must_tell((StreamObject *)t) : transport_must_tell(t)) {
                if (!t->telling) {
                    t->telling = true;
                    *last = TRANSPORT(Py_NewRef((PyObject *)t));
                    last = &t->next_told;
                }
            }
        }
        if (!(s->flags & GL_SQE_QUEUED)) Py_DECREF((PyObject *)(uintptr_t)s->user);
    }
    while (notify) {
        TransportObject *t = notify;
        notify = t->next_told;
        t->next_told = NULL;
        t->telling = false;
        if (rc < 0)
            transport_owe(t, false); /* an exit: the next run tells the others */
        else
            rc = Py_IS_TYPE(t, Datagram_Type) ? transport_wrote(t, 0) : stream_wrote((StreamObject *)t, 0);
        Py_DECREF(t);
    }
    return rc;
}

static void start_epoch(LoopObject *loop) {
    loop->sq_len = loop->sq_urgent = loop->sq_sends = 0;
    loop->sq_deadline = INT64_MAX;
    loop->sq_epoch++;
}

/* Hands over what is submitted, without a turn. Completions wait for the next. */
int submit_now(LoopObject *loop) {
    int32_t n = loop->sq_len;
    if (n == 0 || loop->in_turn) return 0;
    if (engine_usable(loop) < 0) return -1;
    gl_sqe *sq = loop->sq[loop->sq_now];
    loop->sq_now ^= 1; /* a destructor may submit while the writes are settled */
    start_epoch(loop);
    /* With the GIL: it keeps a turn, and other threads, from the engine meanwhile. */
    int32_t rc = loop->api->submit(loop->engine, sq, n);
    if (settle_writes(loop, sq, n) < 0) return -1;
    return rc < 0 ? engine_error(loop, rc) : 0;
}

int submit_one(LoopObject *loop, gl_sqe *sqe) {
    if (engine_usable(loop) < 0) return -1;
    if (loop->in_turn) { /* from another thread: order it, the answer is lost */
        gl_sqe *s = new_sqe(loop, sqe->op, sqe->fd, sqe->gen);
        if (!s) return -1;
        *s = *sqe;
        return 0;
    }
    int32_t rc = loop->api->submit(loop->engine, sqe, 1);
    return rc < 0 ? engine_error(loop, rc) : sqe->res;
}

/* Has the engine make room for what is submitted now and some more. */
int reserve_queue(LoopObject *loop) {
    if (loop->in_turn) return 0;
    gl_sqe s = {.op = GL_OP_QUEUE_RESERVE, .fd = -1, .len = loop->sq_len + loop->sq_cap[0] / 4};
    int error = submit_one(loop, &s);
    if (error > 0) PyErr_NoMemory();
    return error ? -1 : 0;
}

/* ---- completions ---- */

/* Turns the completions that name handles into these at once: a callback that
 * runs before one of them may cancel it, and its id may be taken again. */
static void resolve(LoopObject *loop, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        gl_cqe *c = &loop->shared.cq[i];
        PyObject *handle = NULL;
        if (c->kind == GL_TIMER_DUE) {
            handle = steal_due_timer(loop, (uint32_t)c->user, c->gen);
        } else if (c->kind == GL_WATCH_READY) {
            FdEntry *e = fd_lookup(loop, c->fd, c->gen);
            if (e && e->kind == FD_WATCHED) handle = Py_XNewRef(c->flags & GL_READ ? e->reader : e->writer);
        } else {
            continue;
        }
        c->kind = handle ? GL_RUN_HANDLE : GL_NOTHING;
        c->user = (uintptr_t)handle;
    }
}

/* Lets go of what the rest of the batch holds. */
void completions_clear(LoopObject *loop) {
    while (loop->cq_head < loop->cq_len) {
        gl_cqe *c = &loop->cq[loop->cq_head++];
        if (c->kind == GL_RUN_HANDLE || c->kind == GL_RELEASED)
            Py_XDECREF((PyObject *)(uintptr_t)c->user);
        else if (c->kind == GL_ACCEPTED)
            close(c->res);
    }
}

bool completions_accepted(LoopObject *loop, bool drop) {
    if (!loop->put_off) return false;
    bool any = false;
    for (int32_t i = loop->cq_head; i < loop->cq_len; i++) {
        gl_cqe *c = &loop->cq[i];
        if (c->kind != GL_ACCEPTED) continue;
        any = true;
        if (!drop) break;
        close(c->res);
        c->kind = GL_NOTHING;
    }
    return any;
}

int completions_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (int32_t i = loop->cq_head; i < loop->cq_len; i++) {
        gl_cqe *c = &loop->cq[i];
        if (c->kind == GL_RUN_HANDLE) Py_VISIT((PyObject *)(uintptr_t)c->user);
    }
    return 0;
}

static int on_signal(LoopObject *loop, int number) {
    PyObject *n = PyLong_FromLong(number);
    if (!n) return -1;
    int rc = call_method_drop((PyObject *)loop, names._handle_signal, n);
    Py_DECREF(n);
    return rc;
}

/* Debug mode: what a transport's callbacks took, as asyncio says it of handles. */
int warn_if_slow(LoopObject *loop, PyObject *owner, int64_t started) {
    PyObject *seconds = PyFloat_FromDouble((double)(monotonic_ns() - started) * 1e-9);
    PyObject *argv[3] = {(PyObject *)loop, owner, seconds};
    PyObject *r = seconds ? PyObject_VectorcallMethod(names._warn_slow, argv, 3, NULL) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

int dispatch(LoopObject *loop, gl_cqe *c) {
    switch (c->kind) {
    case GL_RUN_HANDLE: {
        PyObject *handle = (PyObject *)(uintptr_t)c->user;
        int rc = run_handle(loop, handle);
        Py_DECREF(handle);
        return rc;
    }
    case GL_NOTHING:
        return 0;
    case GL_RELEASED:
        Py_DECREF((PyObject *)(uintptr_t)c->user);
        return 0;
    case GL_SIGNAL:
        return on_signal(loop, c->res);
    case GL_RESOLVED:
        return on_resolved(loop, c);
    case GL_CHILD_EXITED:
        return on_child_exited(loop, c);
    }
    FdEntry *e = fd_lookup(loop, c->fd, c->gen);
    if (!e || !e->owner) {
        if (c->kind == GL_ACCEPTED) close(c->res);
        return 0;
    }
    PyObject *owner = Py_NewRef(e->owner);
    StreamObject *t = (StreamObject *)owner;
    int rc = 0;
    int64_t started = loop->debug ? monotonic_ns() : 0;
    switch (e->kind == FD_DATAGRAM ? GL_ON_DATAGRAM : c->kind) {
    case GL_ON_DATAGRAM:
        rc = on_datagram(TRANSPORT(owner), c);
        break;
    case GL_DATA:
        rc = on_data(t, (const char *)(uintptr_t)c->ptr, (Py_ssize_t)c->len);
        break;
    case GL_READABLE:
        rc = on_readable(t, (Py_ssize_t)c->len);
        break;
    case GL_EOF:
        rc = on_eof(t);
        break;
    case GL_ERROR:
        rc = on_error(t, c->res, c->flags);
        break;
    case GL_WROTE:
        rc = stream_wrote(t, c->len);
        break;
    case GL_ACCEPTED:
        rc = on_accepted(loop, (ListenerObject *)owner, c);
        break;
    case GL_ACCEPT_FAILED:
        rc = on_accept_failed(loop, (ListenerObject *)owner, c);
        break;
    }
    if (rc == 0 && loop->debug) rc = warn_if_slow(loop, owner, started);
    Py_DECREF(owner);
    return rc;
}

/* ---- turns ---- */

/* Whether the engine has something to find. On epoll a look that finds nothing costs a tenth
 * of a turn that does, and less than a callback; the others are asked by a turn. What it finds
 * stays where it is, and as many entries as here keep the order in which the engine sees it. */
static bool look(LoopObject *loop) {
#ifdef __linux__
    struct epoll_event events[64];
    if (loop->shared.poll_fd >= 0) return epoll_wait(loop->shared.poll_fd, events, 64, 0) != 0;
#endif
    return true;
}

/* What this turn needs of the engine: nothing (-1), or the flags of a turn. As on asyncio
 * each turn sees what is ready when it begins, however many callbacks wait; of a brisk
 * crowd's turns, each second does. */
static int plan(LoopObject *loop, bool must_poll) {
    bool looked = loop->looked;
    loop->looked = true;
    if (loop->ready_len == 0 && !loop->stopping && loop->shared.backlog == 0 && !loop->owed)
        return GL_TURN_WAIT;
    if (must_poll || loop->sq_urgent || loop->shared.backlog) return GL_TURN_POLL;
    if (looked && batch_may_hold(loop, (int64_t)loop->ready_len))
        loop->looked = false;
    else if (loop->shared.nfds && look(loop))
        return GL_TURN_POLL;
    if (loop->timers_live) {
        int64_t now = monotonic_ns();
        if (now >= loop->shared.next_deadline || now >= loop->sq_deadline) return 0;
    }
    return -1;
}

static int take_turn(LoopObject *loop, int flags) {
    if (flags < 0) {
        loop->todo = loop->ready_len;
        loop->owed_todo = loop->owed_len;
        return 0;
    }
    if (engine_usable(loop) < 0) return -1;
    if (flags == GL_TURN_WAIT) {
        if (PyErr_CheckSignals() < 0) return -1;
        ready_give_back(loop);
        timers_give_back(loop);
    }
    if (loop->running && nest_begin(loop) < 0) return -1;
    gl_sqe *sq = loop->sq[loop->sq_now];
    int32_t sent = loop->sq_len;
    loop->shared.sq = sq;
    loop->shared.sq_len = sent;
    loop->sq_now ^= 1;
    start_epoch(loop);
    loop->in_turn = true;
    loop->sleeping = flags == GL_TURN_WAIT;
    loop->woken = false;
    int32_t n;
    Py_BEGIN_ALLOW_THREADS
    n = loop->api->turn(loop->engine, (uint32_t)flags);
    Py_END_ALLOW_THREADS
    loop->in_turn = loop->sleeping = false;
    loop->cq = loop->shared.cq;
    loop->cq_head = 0;
    loop->cq_len = n > 0 ? n : 0;
    resolve(loop, loop->cq_len);
    if (loop->running) nest_end(loop);
    int rc = settle_writes(loop, sq, sent);
    loop->todo = loop->ready_len;
    loop->owed_todo = loop->owed_len;
    if (loop->running && rc == 0) rc = gather_completions(loop);
    if (n < 0) return engine_error(loop, n);
    if (rc < 0) return -1;
    return PyErr_CheckSignals();
}

/* Connections that come after stop() wait for the next run, as asyncio's tasks would: only then is known whether
 * their server is wanted any more. They are kept before what is left of the batch. A callback may enter the loop
 * again, and run the rest: nested.c. */
static int run_completions(LoopObject *loop) {
    gl_cqe *cq = loop->cq;
    bool put_off = loop->put_off; /* by the run before */
    loop->put_off = false;
    int rc = 0;
    while (rc == 0 && loop->cq_head < loop->cq_len) {
        int32_t place = loop->cq_head++;
        gl_cqe *c = &loop->cq[place];
        bool stopped = loop->stopping && !put_off;
        if (c->kind == GL_ACCEPTED && stopped) {
            loop->cq[loop->cq_kept++] = *c;
            continue;
        }
        loop->running = c;
        if (loop->accepted_made < loop->accepted_len && c->kind != GL_ACCEPTED && !stopped)
            rc = make_accepted(loop, put_off);
        if (rc == 0)
            rc = callback_ran(loop, dispatch(loop, c));
        else if (loop->cq == cq && loop->cq_head == place + 1)
            loop->cq_head--;
        else
            put_back(loop, c);
        loop->running = NULL;
    }
    if (rc == 0 && loop->accepted_made < loop->accepted_len && (put_off || !loop->stopping))
        rc = make_accepted(loop, put_off);
    unkeep(loop);
    loop->put_off = loop->cq_head < loop->cq_len || loop->accepted_made < loop->accepted_len;
    if (loop->accepted_made) age_accepted(loop);
    return rc;
}

static int run_batch(LoopObject *loop) {
    int64_t callbacks = (int64_t)loop->todo + loop->cq_len - loop->cq_head;
    int64_t began = batch_begins(loop, callbacks);
    do {
        while (loop->todo) {
            PyObject *handle = ready_steal(loop);
            int rc = callback_ran(loop, run_handle(loop, handle));
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
    if (loop->engine > 0 && loop->generation == process_generation && loop->sq_urgent) {
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

PyObject *loop_run_once(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    ensure_signal_stack();
    if (clock_look(loop) < 0) return NULL;
    if (loop->custom_time) return PyObject_CallMethod((PyObject *)loop, "_run_by_clock", NULL);
    bool forever = loop->forever;
    if (!forever) {
        int rc = !loop->running && is_left(loop) ? run_batch(loop) : gather_completions(loop);
        if (rc == 0) rc = take_turn(loop, plan(loop, true));
        if (rc == 0) rc = run_batch(loop);
        return leave(loop, rc);
    }
    loop->forever = false; /* not for who calls from a callback */
    bool must_poll = true; /* each run begins with what the selector has */
    /* What an interrupted run left: completions first, for the next turn takes
     * their memory. Without any, its callbacks are ready ones among others. */
    int rc = is_left(loop) ? run_batch(loop) : 0;
    if (rc == 0) {
        do {
            rc = take_turn(loop, plan(loop, must_poll));
            must_poll = false;
            if (rc == 0) rc = run_batch(loop);
        } while (rc == 0 && !loop->stopping && !loop->custom_time);
    }
    loop->forever = true;
    return leave(loop, rc);
}

/* ---- the two halves of a turn, for a loop whose time() is replaced ---- */

/* _turn(seconds): asks the selector, and waits for so long when there is nothing
 * to run, for ever with None. What has come waits for _batch. */
PyObject *loop_turn(LoopObject *loop, PyObject *seconds) {
    if (loop->custom_time && is_left(loop)) Py_RETURN_NONE; /* the next would take their memory */
    if ((loop->barred && unbar_arrivals(loop) < 0) || gather_completions(loop) < 0) return NULL;
    if (loop->accepted_made) age_accepted(loop);
    double limit = seconds == Py_None ? 0 : PyFloat_AsDouble(seconds);
    if (limit == -1.0 && PyErr_Occurred()) return NULL;
    int flags = plan(loop, true);
    TimerHandleObject *alarm = NULL;
    if (flags == GL_TURN_WAIT && seconds != Py_None) {
        if (limit <= 0)
            flags = GL_TURN_POLL;
        else if (!(alarm = new_alarm(loop, limit)))
            return NULL;
    }
    int rc = take_turn(loop, flags);
    if (alarm) timer_cancelled(loop, alarm);
    Py_XDECREF(alarm);
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

/* _batch(due): runs what is ready, what the last _turn has brought, and the timers
 * of the list. After SystemExit or KeyboardInterrupt the rest is left for the next. */
PyObject *loop_batch(LoopObject *loop, PyObject *due) {
    if (!PyList_CheckExact(due)) {
        PyErr_SetString(PyExc_TypeError, "_batch(list)");
        return NULL;
    }
    loop->todo = loop->ready_len;
    loop->owed_todo = loop->owed_len;
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

/* _is_busy(): whether the next turn must not wait. */
PyObject *loop_is_busy(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(loop->ready_len || loop->owed || loop->stopping || is_left(loop));
}
