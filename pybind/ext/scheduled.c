/* How a timer gets on:
 *
 *   enroll ──▶ fresh ──timers_hand_over, with a turn──▶ the table, and the engine's heap ──▶ due
 *                │  └──timers_run_fresh: all are due, in order──▶ ready                      │
 *                └─────────────────── timer_cancelled ◀──────────────────────────────────────┘
 *
 * What is cancelled while it is fresh costs the engine nothing, and what is due while it is fresh needs no turn of it. */
#include "scheduled.h"

#include "engine.h"
#include "pulse.h"
#include "ready.h"
#include "ring.h"

enum { FEWEST = 256, KEPT = 4096 }; /* entries of the tables at first, and how many are not worth giving back */

/* A fresh timer, and what becomes of its place when the engine is given it. */
typedef union FreshTimer {
    struct {
        int64_t when;               /* ns */
        TimerHandleObject *handle;  /* NULL: cancelled */
    };
    gl_timer submitted;
} FreshTimer;

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

static void free_from(LoopObject *loop, TimerEntry *timers, uint32_t from, uint32_t n) {
    for (uint32_t i = n; i-- > from;) {
        if (timers[i].handle) continue;
        timers[i].next_free = loop->timers_free;
        loop->timers_free = i;
        loop->timers_room++;
    }
}

/* The engine makes room with us, so that no timer is refused when its submission has left. */
static int grow(LoopObject *loop) {
    if (loop->timers_bound < loop->timers_len) { /* those that were to be given back */
        uint32_t from = loop->timers_bound;
        loop->timers_bound = loop->timers_len;
        free_from(loop, loop->timers, from, loop->timers_len);
        if (loop->timers_room > loop->fresh.live) return 0;
    }
    uint32_t n = loop->timers_len ? 2 * loop->timers_len : FEWEST;
    gl_sqe reserve = {.op = GL_OP_TIMER_RESERVE, .fd = -1, .len = n};
    int error = n > FEWEST && !loop->in_turn ? submit_one(loop, &reserve) : 0;
    if (error < 0) return -1;
    if (error) return no_memory();
    TimerEntry *timers = PyMem_Realloc(loop->timers, n * sizeof *timers);
    if (!timers) return no_memory();
    for (uint32_t i = loop->timers_len; i < n; i++) timers[i] = (TimerEntry){.handle = NULL, .gen = loop->timers_gen};
    if (loop->timers_room == 0) loop->timers_free = UINT32_MAX;
    free_from(loop, timers, loop->timers_len, n);
    loop->timers = timers;
    loop->timers_len = loop->timers_bound = n;
    return 0;
}

/* Of the two arrays, what a crowd has left. */
static void fresh_give_back(Fresh *f) {
    for (int i = 0; i < 2; i++) {
        if (f->cap[i] <= KEPT || (i == f->now && f->len > KEPT)) continue;
        FreshTimer *timers = PyMem_Realloc(f->timers[i], KEPT * sizeof *timers);
        if (!timers) continue;
        f->timers[i] = timers;
        f->cap[i] = KEPT;
    }
}

/* Once a second at most, for it looks at the whole table: when few timers are left, only ids below
 * timers_bound are given out from now on, and when the last one above has gone, memory is given
 * back, here and in the engine. The ids are used again with generations that they never had. */
void timers_give_back(LoopObject *loop) {
    uint32_t live = loop->timers_live + loop->fresh.live;
    if (loop->timers_len <= KEPT || live > loop->timers_len / 8) return;
    if (loop->shared.looked - loop->timers_looked < 1000000000) return;
    loop->timers_looked = loop->shared.looked;
    fresh_give_back(&loop->fresh);
    gl_sqe *s = new_sqe(loop, GL_OP_TIMER_RESERVE, -1, 0);
    if (!s) {
        PyErr_Clear();
        return;
    }
    uint32_t n = FEWEST, end = loop->timers_len;
    while (n < 4 * live) n *= 2;
    while (end && !loop->timers[end - 1].handle) end--;
    if (end <= n) {
        for (uint32_t i = n; i < loop->timers_len; i++)
            if (loop->timers[i].gen > loop->timers_gen) loop->timers_gen = loop->timers[i].gen;
        TimerEntry *timers = PyMem_Realloc(loop->timers, n * sizeof *timers);
        if (timers) loop->timers = timers;
        loop->timers_len = n;
        s->len = n;
    } else {
        s->op = GL_OP_NOP;
    }
    loop->timers_bound = n;
    loop->timers_free = UINT32_MAX;
    loop->timers_room = 0;
    free_from(loop, loop->timers, 0, n);
}

static void release_id(LoopObject *loop, uint32_t id) {
    TimerEntry *e = &loop->timers[id];
    e->handle = NULL;
    if (id < loop->timers_bound) {
        e->next_free = loop->timers_free;
        loop->timers_free = id;
        loop->timers_room++;
    }
    loop->timers_live--;
}

/* ---- fresh timers ---- */

/* Room for one more: that of cancelled ones, where they are many. */
static int fresh_grow(Fresh *f) {
    if (f->live < f->len / 2) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < f->len; i++) {
            if (!f->timers[f->now][i].handle) continue;
            f->timers[f->now][n] = f->timers[f->now][i];
            f->timers[f->now][n].handle->tail.place = n;
            n++;
        }
        f->len = n;
        return 0;
    }
    uint32_t n = f->cap[f->now] ? 2 * f->cap[f->now] : FEWEST;
    FreshTimer *timers = PyMem_Realloc(f->timers[f->now], n * sizeof *timers);
    if (!timers) return no_memory();
    f->timers[f->now] = timers;
    f->cap[f->now] = n;
    return 0;
}

int enroll(LoopObject *loop, TimerHandleObject *h, int64_t ns) {
    Fresh *f = &loop->fresh;
    if (loop->timers_room <= f->live && grow(loop) < 0) return -1;
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
    h->tail.place = f->len;
    h->tail.fresh = true;
    f->timers[f->now][f->len++] = (FreshTimer){{ns, (TimerHandleObject *)Py_NewRef((PyObject *)h)}};
    f->live++;
    return 0;
}

int timers_hand_over(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    gl_sqe *s = new_sqe(loop, GL_OP_TIMERS_ADD, -1, 0);
    if (!s) return -1;
    FreshTimer *timers = f->timers[f->now];
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->len; i++) {
        TimerHandleObject *h = timers[i].handle;
        if (!h) continue;
        uint32_t id = loop->timers_free;
        TimerEntry *e = &loop->timers[id];
        loop->timers_free = e->next_free;
        loop->timers_room--;
        loop->timers_live++;
        if (++e->gen == 0) e->gen = 1; /* 0 is the engine's own */
        e->handle = h;
        h->tail.place = id;
        h->tail.fresh = false;
        timers[n++].submitted = (gl_timer){timers[i].when, id, e->gen};
    }
    s->ptr = (uintptr_t)timers;
    s->len = n;
    f->now ^= 1; /* another thread may schedule while the engine has these */
    f->len = f->live = 0;
    return 0;
}

int timers_run_fresh(LoopObject *loop) {
    Fresh *f = &loop->fresh;
    const FreshTimer *timers = f->timers[f->now];
    if (loop->ready_len + f->live > loop->ready_cap && ready_reserve(loop, f->live) < 0) return -1;
    for (uint32_t i = 0; i < f->len; i++) {
        TimerHandleObject *h = timers[i].handle;
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
    uint32_t place = h->tail.place;
    if (h->tail.fresh) {
        FreshTimer *timers = f->timers[f->now];
        if (place >= f->len || timers[place].handle != h) return;
        timers[place].handle = NULL;
        f->live--;
        while (f->len > 0 && !timers[f->len - 1].handle) f->len--;
    } else {
        if (place >= loop->timers_len || loop->timers[place].handle != h) return;
        uint32_t gen = loop->timers[place].gen;
        release_id(loop, place);
        gl_sqe *s = loop->engine > 0 && loop_is_ours(loop) ? new_sqe(loop, GL_OP_TIMER_CANCEL, -1, gen) : NULL;
        if (s)
            s->user = place;
        else
            PyErr_Clear(); /* it comes due and finds no handle */
    }
    Py_DECREF(h);
}

PyObject *steal_due_timer(LoopObject *loop, uint32_t id, uint32_t gen) {
    if (id >= loop->timers_len || loop->timers[id].gen != gen || !loop->timers[id].handle) return NULL;
    TimerHandleObject *h = loop->timers[id].handle;
    release_id(loop, id);
    set_scheduled(h, Py_False);
    return (PyObject *)h;
}

PyObject *loop_take_timers(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    PyObject *list = PyList_New((Py_ssize_t)loop->timers_live + loop->fresh.live);
    Py_ssize_t n = 0;
    for (uint32_t i = 0; list && i < loop->timers_len + loop->fresh.len; i++) {
        uint32_t at = i - loop->timers_len;
        TimerHandleObject *h = i < loop->timers_len ? loop->timers[i].handle : loop->fresh.timers[loop->fresh.now][at].handle;
        if (!h) continue;
        PyList_SET_ITEM(list, n++, Py_NewRef((PyObject *)h));
        timer_cancelled(loop, h);
    }
    return list;
}

void timers_clear(LoopObject *loop) {
    for (uint32_t i = 0; i < loop->timers_len; i++) {
        TimerHandleObject *h = loop->timers[i].handle;
        if (!h) continue;
        release_id(loop, i);
        set_scheduled(h, Py_False);
        Py_DECREF(h);
    }
    Fresh *f = &loop->fresh;
    while (f->len) {
        TimerHandleObject *h = f->timers[f->now][--f->len].handle;
        if (!h) continue;
        f->live--;
        set_scheduled(h, Py_False);
        Py_DECREF(h);
    }
}

void timers_free(LoopObject *loop) {
    PyMem_Free(loop->timers);
    for (int i = 0; i < 2; i++) PyMem_Free(loop->fresh.timers[i]);
}

int timers_traverse(LoopObject *loop, visitproc visit, void *arg) {
    const Fresh *f = &loop->fresh;
    for (uint32_t i = 0; i < loop->timers_len; i++) Py_VISIT(loop->timers[i].handle);
    for (uint32_t i = 0; i < f->len; i++) Py_VISIT(f->timers[f->now][i].handle);
    return 0;
}
