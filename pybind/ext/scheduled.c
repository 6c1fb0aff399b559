/* How a timer gets on:
 *
 *   enroll ──▶ fresh ──timers_hand_over, with a turn──▶ the engine's, in the list here ──▶ due
 *                │  └──timers_run_fresh: all are due, in order──▶ ready                   │
 *                └─────────────────── timer_cancelled ◀──────────────────────────────────┘
 *
 * What is cancelled while it is fresh costs the engine nothing, and what is due while it is fresh needs no turn of it. The
 * engine tells whose timer is due by the handle, which the list keeps for as long as it may be told of. */
#include "scheduled.h"

#include <stddef.h>

#include "engine.h"
#include "pulse.h"
#include "ready.h"
#include "ring.h"

enum { FEWEST = 256, KEPT = 4096 }; /* entries of the arrays at first, and how many are not worth giving back */

/* truth: Py_True or Py_False, which never die from Python 3.12 on; so the one before is, unless a program has set it. */
static inline void set_scheduled(TimerHandleObject *h, PyObject *truth) {
    PyObject *old = h->scheduled;
#if PY_VERSION_HEX < 0x030C0000
    Py_INCREF(truth);
    h->scheduled = truth;
    Py_XDECREF(old);
#else
    h->scheduled = truth;
    if (old != Py_True && old != Py_False) Py_XDECREF(old);
#endif
}

static TimerHandleObject *handle_of(const gl_timer *timer) { return (TimerHandleObject *)(uintptr_t)timer->user; }

/* Has the engine make room for a timer more, so that none is refused when its submission has left. */
static int reserve(LoopObject *loop) {
    if (loop->in_turn) return 0; /* a wrong program's other thread */
    gl_sqe more = {.op = GL_OP_TIMER_RESERVE, .fd = -1, .len = 2 * (int64_t)loop->shared.timers_room};
    int error = submit_one(loop, &more);
    return error > 0 ? no_memory() : error;
}

/* Of the two arrays. */
bool timers_give_back(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    bool given = false;
    for (int i = 0; i < 2; i++) {
        if (f->cap[i] <= KEPT || (i == f->now && f->len > KEPT)) continue;
        gl_timer *timers = PyMem_Realloc(f->timers[i], KEPT * sizeof *timers);
        if (!timers) continue;
        f->timers[i] = timers;
        f->cap[i] = KEPT;
        given = true;
    }
    return given;
}

/* ---- the list ---- */

static void list_insert(LoopObject *loop, TimerHandleObject *h, TimerLink *before) {
    h->owner = loop;
    h->link = (TimerLink){before->previous, before};
    before->previous->next = &h->link;
    before->previous = &h->link;
    loop->timers_live++;
}

static void list_remove(LoopObject *loop, TimerHandleObject *h) {
    h->link.previous->next = h->link.next;
    h->link.next->previous = h->link.previous;
    h->link = (TimerLink){NULL, NULL};
    loop->timers_live--;
}

static TimerHandleObject *of_link(TimerLink *link) {
    return (TimerHandleObject *)((char *)link - offsetof(TimerHandleObject, link));
}

/* The engine may tell of it no more, and the list's reference is the caller's; or false: it can as yet. */
static bool withdraw(LoopObject *loop, TimerHandleObject *h) {
    if (loop->in_turn) return false;
    if (loop->engine > 0 && loop_is_ours(loop)) {
        gl_sqe *s = new_sqe(loop, GL_OP_TIMER_CANCEL, -1, 0);
        if (!s) {
            PyErr_Clear();
            return false;
        }
        s->user = h->place;
    }
    list_remove(loop, h);
    return true;
}

/* ---- fresh timers ---- */

/* Room for one more: that of cancelled ones, where they are many. */
static int fresh_grow(Fresh *f) {
    if (f->live < f->len / 2) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < f->len; i++) {
            TimerHandleObject *h = handle_of(&f->timers[f->now][i]);
            if (!h) continue;
            f->timers[f->now][n] = f->timers[f->now][i];
            h->place = n++;
        }
        f->len = n;
        return 0;
    }
    uint32_t n = f->cap[f->now] ? 2 * f->cap[f->now] : FEWEST;
    gl_timer *timers = PyMem_Realloc(f->timers[f->now], n * sizeof *timers);
    if (!timers) return no_memory();
    f->timers[f->now] = timers;
    f->cap[f->now] = n;
    return 0;
}

bool is_enrolled(LoopObject *loop, TimerHandleObject *h) {
    const Fresh *f = &loop->fresh;
    return h->link.next || (h->place < f->len && handle_of(&f->timers[f->now][h->place]) == h);
}

int enroll(LoopObject *loop, TimerHandleObject *h, int64_t ns) {
    Fresh *f = &loop->fresh;
    if ((int64_t)loop->timers_live + f->live >= loop->shared.timers_room && reserve(loop) < 0) return -1;
    if (f->len == f->cap[f->now] && fresh_grow(f) < 0) return -1;
    if (f->live == 0) {
        f->first = f->last = ns;
        f->unordered = false;
    } else if (ns >= f->last) {
        f->last = ns;
    } else {
        f->unordered = true;
        if (ns < f->first) f->first = ns;
    }
    set_scheduled(h, Py_True);
    h->place = f->len;
    f->timers[f->now][f->len++] = (gl_timer){ns, (uintptr_t)Py_NewRef((PyObject *)h)};
    f->live++;
    return 0;
}

int timers_hand_over(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    gl_sqe *s = new_sqe(loop, GL_OP_TIMERS_ADD, -1, 0);
    if (!s) return -1;
    s->ptr = (uintptr_t)f->timers[f->now];
    s->len = f->given = f->len;
    f->now ^= 1; /* another thread may schedule while the engine has these */
    f->len = f->live = 0;
    return 0;
}

void timers_taken(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    const gl_timer *timers = f->timers[f->now ^ 1];
    for (uint32_t i = 0; i < f->given; i++) {
        TimerHandleObject *h = handle_of(&timers[i]);
        if (!h) continue;
        h->place = (uint64_t)timers[i].when;
        list_insert(loop, h, h->scheduled == Py_True ? &loop->timers : loop->timers.next);
    }
    f->given = 0;
}

void timers_withdraw(LoopObject *loop) {
    while (loop->timers_live) {
        TimerHandleObject *h = of_link(loop->timers.next);
        if (!handle_is_cancelled((PyObject *)h) || !withdraw(loop, h)) return;
        Py_DECREF(h);
    }
}

int timers_run_fresh(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    const gl_timer *timers = f->timers[f->now];
    if (loop->ready_len + f->live > loop->ready_cap && ready_reserve(loop, f->live) < 0) return -1;
    for (uint32_t i = 0; i < f->len; i++) {
        TimerHandleObject *h = handle_of(&timers[i]);
        if (!h) continue;
        set_scheduled(h, Py_False);
        pulse_late(loop, f->clock - timers[i].when);
        ready_append(loop, (PyObject *)h);
    }
    f->len = f->live = 0;
    return 0;
}

void timer_cancelled(LoopObject *loop, TimerHandleObject *h) {
    if (h->scheduled != Py_True) return;
    set_scheduled(h, Py_False);
    Fresh *f = &loop->fresh;
    gl_timer *timers = f->timers[f->now];
    if (h->link.next) {
        if (h->owner != loop) return; /* it comes due there, cancelled */
        if (!withdraw(loop, h)) { /* timers_withdraw finds it at the start */
            list_remove(loop, h);
            list_insert(loop, h, loop->timers.next);
            return;
        }
    } else {
        if (!is_enrolled(loop, h)) return; /* the engine is about to take it; or a clock's */
        timers[h->place].user = 0;
        f->live--;
        while (f->len > 0 && !timers[f->len - 1].user) f->len--;
    }
    Py_DECREF(h);
}

PyObject *steal_due_timer(LoopObject *loop, uint64_t user) {
    TimerHandleObject *h = (TimerHandleObject *)(uintptr_t)user;
    list_remove(loop, h);
    set_scheduled(h, Py_False);
    return (PyObject *)h;
}

static int append(PyObject *handle, void *list) { return PyList_Append(list, handle); }

PyObject *loop_take_timers(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    PyObject *list = PyList_New(0);
    if (list && !loop->in_turn && timers_traverse(loop, append, list) < 0) Py_CLEAR(list); /* in a turn they stay the engine's */
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++)
        timer_cancelled(loop, (TimerHandleObject *)PyList_GET_ITEM(list, i));
    return list;
}

void timers_clear(LoopObject *loop) {
    while (loop->timers_live) Py_DECREF(steal_due_timer(loop, (uintptr_t)of_link(loop->timers.next)));
    Fresh *f = &loop->fresh;
    while (f->len) {
        TimerHandleObject *h = handle_of(&f->timers[f->now][--f->len]);
        if (!h) continue;
        f->live--;
        set_scheduled(h, Py_False);
        Py_DECREF(h);
    }
}

void timers_free(LoopObject *loop) {
    for (int i = 0; i < 2; i++) PyMem_Free(loop->fresh.timers[i]);
}

int timers_traverse(LoopObject *loop, visitproc visit, void *arg) {
    const Fresh *f = &loop->fresh;
    for (TimerLink *l = loop->timers.next; l && l != &loop->timers; l = l->next) Py_VISIT(of_link(l));
    for (uint32_t i = 0; i < f->len; i++) Py_VISIT(handle_of(&f->timers[f->now][i]));
    for (uint32_t i = 0; i < f->given; i++) Py_VISIT(handle_of(&f->timers[f->now ^ 1][i]));
    return 0;
}
