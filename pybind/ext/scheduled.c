/* How a timer gets on:
 *
 *   enroll ──▶ fresh ──timers_show, and a turn takes them──▶ the engine's, in the list here ──▶ due
 *                │  └──timers_run_fresh: all are due, in order──▶ ready                      │
 *                └─────────────────── timer_cancelled ◀─────────────────────────────────────┘
 *
 * What is cancelled while it is fresh costs the engine nothing, and what is due while it is fresh needs no turn of it. When
 * it takes them is the engine's to say (loop/fresh.go). It tells whose timer is due by the handle, which the list keeps for as long as it may be told of. */
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

/* Without the cancelled ones. */
static void pile_close_up(TimerPile *p) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->len; i++) {
        TimerHandleObject *h = handle_of(&p->timers[i]);
        if (!h) continue;
        p->timers[n] = p->timers[i];
        h->place = n++;
    }
    p->len = n;
}

/* Of the two piles. */
bool timers_give_back(LoopObject *loop) {
    bool given = false;
    for (int i = 0; i < 2; i++) {
        TimerPile *p = &loop->fresh.piles[i];
        if (p->cap <= KEPT) continue;
        if (p->live < p->len / 2) pile_close_up(p);
        if (p->len > KEPT) continue;
        gl_timer *timers = PyMem_Realloc(p->timers, KEPT * sizeof *timers);
        if (!timers) continue;
        p->timers = timers;
        p->cap = KEPT;
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
            PyErr_Clear(); /* a dead engine's */
            return false;
        }
        s->user = h->place;
    }
    list_remove(loop, h);
    return true;
}

/* ---- fresh timers ---- */

/* Room for one more: that of cancelled ones, where they are many. */
static int pile_grow(TimerPile *p) {
    if (p->live < p->len / 2) {
        pile_close_up(p);
        return 0;
    }
    uint32_t n = p->cap ? 2 * p->cap : FEWEST;
    gl_timer *timers = PyMem_Realloc(p->timers, n * sizeof *timers);
    if (!timers) return no_memory();
    p->timers = timers;
    p->cap = n;
    return 0;
}

bool is_enrolled(LoopObject *loop, TimerHandleObject *h) {
    const TimerPile *p = fresh_pile(loop);
    return h->link.next || (h->place < p->len && handle_of(&p->timers[h->place]) == h);
}

/* In line: a timer's every instruction counts. */
static inline __attribute__((always_inline)) int pile_add(TimerPile *p, TimerHandleObject *h, int64_t ns) {
    if (p->len == p->cap && pile_grow(p) < 0) return -1;
    if (p->live == 0) {
        p->first = p->last = ns;
        p->unordered = false;
    } else if (ns >= p->last) {
        p->last = ns;
    } else {
        p->unordered = true;
        if (ns < p->first) p->first = ns;
    }
    h->place = p->len;
    p->timers[p->len++] = (gl_timer){ns, (uintptr_t)Py_NewRef((PyObject *)h)};
    p->live++;
    return 0;
}

int enroll(LoopObject *loop, TimerHandleObject *h, int64_t ns) {
    TimerPile *p = fresh_pile(loop);
    if ((int64_t)loop->timers_live + p->live >= loop->shared.timers_room && reserve(loop) < 0) return -1;
    if (pile_add(p, h, ns) < 0) return -1;
    set_scheduled(h, Py_True);
    return 0;
}

void timers_show(LoopObject *loop) {
    const TimerPile *p = fresh_pile(loop);
    gl_fresh *fresh = &loop->shared.fresh;
    fresh->live = (int32_t)p->live;
    if (p->live == 0) return;
    *fresh = (gl_fresh){p->timers, (int32_t)p->len, (int32_t)p->live, p->first, 0};
    loop->fresh.shown = true;
    loop->fresh.now ^= 1;
}

/* Those that other threads have cancelled meanwhile, or that stand before what they have scheduled, the engine takes at once. What
 * it has no memory for, as it may have for none of what such threads have scheduled, stays fresh. */
int timers_looked_at(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    TimerPile *p = &f->piles[f->now ^ 1];
    bool disturbed = f->disturbed || fresh_pile(loop)->len;
    int64_t taken = loop->shared.fresh.taken;
    f->shown = f->disturbed = false;
    if (!taken) {
        if (!disturbed) {
            f->now ^= 1;
            return 0;
        }
        gl_sqe add = {.op = GL_OP_TIMERS_ADD, .fd = -1, .ptr = (uintptr_t)p->timers, .len = p->len};
        if (submit_one(loop, &add) < 0) return -1;
        taken = add.len;
    }
    int rc = 0;
    TimerLink *gone = NULL; /* of a cancelled one may go what runs Python, which is to find each where it belongs */
    for (uint32_t i = 0; i < p->len; i++) {
        TimerHandleObject *h = handle_of(&p->timers[i]);
        if (!h) continue;
        bool live = h->scheduled == Py_True;
        if (i < taken) {
            h->place = (uint64_t)p->timers[i].when;
            list_insert(loop, h, live ? &loop->timers : loop->timers.next);
            continue;
        }
        if (live && pile_add(fresh_pile(loop), h, p->timers[i].when) == 0) {
            Py_DECREF(h); /* not the last */
            continue;
        }
        if (live) {
            rc = -1;
            set_scheduled(h, Py_False);
        }
        h->link.next = gone;
        gone = &h->link;
    }
    p->len = p->live = 0;
    while (gone) {
        TimerHandleObject *h = of_link(gone);
        gone = h->link.next;
        h->link.next = NULL;
        Py_DECREF(h);
    }
    return rc;
}

void timers_withdraw(LoopObject *loop) {
    while (loop->timers_live) {
        TimerHandleObject *h = of_link(loop->timers.next);
        if (!handle_is_cancelled((PyObject *)h) || !withdraw(loop, h)) return;
        Py_DECREF(h);
    }
}

int timers_run_fresh(LoopObject *loop) {
    TimerPile *p = fresh_pile(loop);
    if (loop->ready_len + p->live > loop->ready_cap && ready_reserve(loop, p->live) < 0) return -1;
    for (uint32_t i = 0; i < p->len; i++) {
        TimerHandleObject *h = handle_of(&p->timers[i]);
        if (!h) continue;
        set_scheduled(h, Py_False);
        pulse_late(loop, loop->fresh.clock, p->timers[i].when);
        ready_append(loop, (PyObject *)h);
    }
    p->len = p->live = 0;
    return 0;
}

void timer_cancelled(LoopObject *loop, TimerHandleObject *h) {
    if (h->scheduled != Py_True) return;
    set_scheduled(h, Py_False);
    if (h->link.next) {
        if (h->owner != loop) return; /* it comes due there, cancelled */
        if (!withdraw(loop, h)) { /* timers_withdraw finds it at the start */
            list_remove(loop, h);
            list_insert(loop, h, loop->timers.next);
            return;
        }
    } else {
        if (!is_enrolled(loop, h)) { /* a turn looks at it; or a clock's */
            loop->fresh.disturbed = loop->fresh.shown;
            return;
        }
        TimerPile *p = fresh_pile(loop);
        p->timers[h->place].user = 0;
        p->live--;
        while (p->len > 0 && !p->timers[p->len - 1].user) p->len--;
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
    for (int i = 0; i < 2; i++) {
        TimerPile *p = &loop->fresh.piles[i];
        while (p->len) {
            TimerHandleObject *h = handle_of(&p->timers[--p->len]);
            if (!h) continue;
            p->live--;
            set_scheduled(h, Py_False);
            Py_DECREF(h);
        }
    }
}

void timers_free(LoopObject *loop) {
    for (int i = 0; i < 2; i++) PyMem_Free(loop->fresh.piles[i].timers);
}

int timers_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (TimerLink *l = loop->timers.next; l && l != &loop->timers; l = l->next) Py_VISIT(of_link(l));
    for (int i = 0; i < 2; i++) {
        const TimerPile *p = &loop->fresh.piles[i];
        for (uint32_t at = 0; at < p->len; at++) Py_VISIT(handle_of(&p->timers[at]));
    }
    return 0;
}
