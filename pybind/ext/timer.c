/* call_later and call_at. A timer that is cancelled before its submission has left costs the engine
 * nothing. */
#include "timer.h"

#include <math.h>
#include <stddef.h>

#include "call.h"
#include "clock.h"
#include "engine.h"
#include "ring.h"

enum { FEWEST = 256, KEPT = 4096 }; /* entries of the table at first, and how many are not worth giving back */

static void free_from(LoopObject *loop, TimerEntry *timers, uint32_t from, uint32_t n) {
    for (uint32_t i = n; i-- > from;) {
        if (timers[i].handle) continue;
        timers[i].next_free = loop->timers_free;
        loop->timers_free = i;
    }
}

/* The engine makes room with us, so that no timer is refused when its submission has left. */
static int grow(LoopObject *loop) {
    if (loop->timers_bound < loop->timers_len) { /* those that were to be given back */
        uint32_t from = loop->timers_bound;
        loop->timers_bound = loop->timers_len;
        free_from(loop, loop->timers, from, loop->timers_len);
        if (loop->timers_free != UINT32_MAX) return 0;
    }
    uint32_t n = loop->timers_len ? 2 * loop->timers_len : FEWEST;
    gl_sqe reserve = {.op = GL_OP_TIMER_RESERVE, .fd = -1, .len = n};
    int error = n > FEWEST && !loop->in_turn ? submit_one(loop, &reserve) : 0;
    if (error < 0) return -1;
    if (error) {
        PyErr_NoMemory();
        return -1;
    }
    TimerEntry *timers = PyMem_Realloc(loop->timers, n * sizeof *timers);
    if (!timers) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = loop->timers_len; i < n; i++) timers[i] = (TimerEntry){.handle = NULL, .gen = loop->timers_gen};
    loop->timers_free = UINT32_MAX;
    free_from(loop, timers, loop->timers_len, n);
    loop->timers = timers;
    loop->timers_len = loop->timers_bound = n;
    return 0;
}

/* Once a second at most, for it looks at the whole table: when few timers are left, only ids below
 * timers_bound are given out from now on, and when the last one above has gone, memory is given
 * back, here and in the engine. The ids are used again with generations that they never had. */
void timers_give_back(LoopObject *loop) {
    if (loop->timers_len <= KEPT || loop->timers_live > loop->timers_len / 8) return;
    if (loop->shared.looked - loop->timers_looked < 1000000000) return;
    loop->timers_looked = loop->shared.looked;
    gl_sqe *s = new_sqe(loop, GL_OP_TIMER_RESERVE, -1, 0);
    if (!s) {
        PyErr_Clear();
        return;
    }
    uint32_t n = FEWEST, end = loop->timers_len;
    while (n < 4 * loop->timers_live) n *= 2;
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
    free_from(loop, loop->timers, 0, n);
}

static void release_id(LoopObject *loop, uint32_t id) {
    TimerEntry *e = &loop->timers[id];
    e->handle = NULL;
    if (id < loop->timers_bound) {
        e->next_free = loop->timers_free;
        loop->timers_free = id;
    }
    loop->timers_live--;
}

/* Seconds of loop.time() as nanoseconds, rounded up; NaN is due at once. */
static int64_t to_ns(double when) {
    double ns = ceil(when * 1e9);
    if (isnan(ns)) return 0;
    if (ns >= 9.2e18) return INT64_MAX - 1;
    if (ns <= -9.2e18) return INT64_MIN + 1;
    return (int64_t)ns;
}

/* Gives a handle a place in the table and the engine a timer that is due at ns. */
static int enroll(LoopObject *loop, TimerHandleObject *h, int64_t ns) {
    gl_sqe *s = new_sqe(loop, GL_OP_TIMER_ADD, -1, 0);
    if (!s) return -1;
    if ((!loop->timers_len || loop->timers_free == UINT32_MAX) && grow(loop) < 0) {
        s->op = GL_OP_NOP;
        return -1;
    }
    uint32_t id = loop->timers_free;
    TimerEntry *e = &loop->timers[id];
    loop->timers_free = e->next_free;
    loop->timers_live++;
    if (++e->gen == 0) e->gen = 1; /* 0 is the engine's own */
    e->handle = (TimerHandleObject *)Py_NewRef((PyObject *)h);
    Py_XSETREF(h->scheduled, Py_NewRef(Py_True));
    h->id = id;
    h->gen = e->gen;
    h->sq_index = (uint32_t)(s - loop->sq[loop->sq_now]);
    s->user = id;
    s->gen = e->gen;
    s->len = ns;
    if (ns < loop->sq_deadline) loop->sq_deadline = ns;
    return 0;
}

static TimerHandleObject *new_timer_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                                           PyObject *context) {
    State *state = loop->state;
    TimerHandleObject *h = (TimerHandleObject *)handle_alloc(state->types.TimerHandle, &state->free_timers);
    if (!h) return NULL;
    h->state = state;
    if (handle_fill((HandleObject *)h, loop, callback, args, n, context) < 0) Py_CLEAR(h);
    return h;
}

/* What call_at asks before it looks at the time; call_later has added to it by then. */
static int check_usable(LoopObject *loop, PyObject *callback) {
    if (engine_usable(loop) < 0) return -1;
    return loop->debug ? debug_checks(loop, callback, "call_at", true) : 0;
}

/* Steals when. */
static PyObject *schedule(LoopObject *loop, PyObject *when, PyObject *const *args, Py_ssize_t n, PyObject *context) {
    double seconds = check_usable(loop, args[0]) < 0 ? -1.0 : PyFloat_AsDouble(when);
    if (seconds == -1.0 && PyErr_Occurred()) {
        Py_DECREF(when);
        return NULL;
    }
    TimerHandleObject *h = new_timer_handle(loop, args[0], args + 1, n - 1, context);
    if (!h) {
        Py_DECREF(when);
        return NULL;
    }
    h->when = when;
    h->scheduled = Py_NewRef(Py_True);
    int rc;
    if (loop->custom_time) {
        PyObject *r = PyObject_CallMethod((PyObject *)loop, "_schedule_by_clock", "O", h);
        rc = r ? 0 : -1;
        Py_XDECREF(r);
    } else {
        rc = enroll(loop, h, to_ns(seconds));
    }
    if (rc < 0) Py_CLEAR(h);
    return (PyObject *)h;
}

static int refuse_none(Call *c, bool later) {
#if PY_VERSION_HEX < 0x030B0000
    if (later) return 0; /* 3.10 lets the addition complain */
#endif
    if (c->args[0] != Py_None) return 0;
    PyErr_SetString(PyExc_TypeError, later ? "delay must not be None" : "when cannot be None");
    return -1;
}

/* call_later() of a loop whose call_at() is replaced goes through it, as asyncio's. */
static PyObject *steal_when_for_call_at(LoopObject *loop, PyObject *when, PyObject *const *args, Py_ssize_t n,
                                        PyObject *context) {
    PyObject *r = NULL;
    PyObject *all = PyTuple_New(1 + n);
    PyObject *method = all ? PyObject_GetAttr((PyObject *)loop, loop->state->names.call_at) : NULL;
    PyObject *keywords = method ? Py_BuildValue("{O:O}", loop->state->names.context, context ? context : Py_None) : NULL;
    if (all) PyTuple_SET_ITEM(all, 0, Py_NewRef(when));
    for (Py_ssize_t i = 0; all && i < n; i++) PyTuple_SET_ITEM(all, 1 + i, Py_NewRef(args[i]));
    if (keywords) r = PyObject_Call(method, all, keywords);
    Py_XDECREF(keywords);
    Py_XDECREF(method);
    Py_XDECREF(all);
    Py_DECREF(when);
    return r;
}

PyObject *loop_call_later(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (take_call(&c, "BaseEventLoop.call_later", "delay", args, n, kwnames) < 0 || refuse_none(&c, true) < 0) return NULL;
    PyObject *now = loop->custom_time ? PyObject_CallMethodNoArgs((PyObject *)loop, loop->state->names.time) : loop_time(loop, NULL);
    if (!now) return NULL;
    PyObject *delay = c.args[0], *when;
    if (PyFloat_CheckExact(delay) && PyFloat_CheckExact(now)) {
        when = PyFloat_FromDouble(PyFloat_AS_DOUBLE(now) + PyFloat_AS_DOUBLE(delay));
    } else {
        when = PyNumber_Add(now, delay); /* ints, and whatever adds to a float */
    }
    Py_DECREF(now);
    if (when && loop->custom_call_at) return steal_when_for_call_at(loop, when, c.args + 1, c.n - 1, c.context);
    return when ? schedule(loop, when, c.args + 1, c.n - 1, c.context) : NULL;
}

PyObject *loop_call_at(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (take_call(&c, "BaseEventLoop.call_at", "when", args, n, kwnames) < 0 || refuse_none(&c, false) < 0) return NULL;
    return schedule(loop, Py_NewRef(c.args[0]), c.args + 1, c.n - 1, c.context);
}

/* The handle is cancelled: forget it here and in the engine. */
void timer_cancelled(LoopObject *loop, TimerHandleObject *h) {
    if (h->scheduled != Py_True) return;
    Py_XSETREF(h->scheduled, Py_NewRef(Py_False));
    if (h->id >= loop->timers_len || loop->timers[h->id].handle != h) return;
    release_id(loop, h->id);
    gl_sqe *sq = loop->sq[loop->sq_now], *own = h->sq_index < (uint32_t)loop->sq_len ? &sq[h->sq_index] : NULL;
    if (own && own->op == GL_OP_TIMER_ADD && own->user == h->id && own->gen == h->gen) {
        /* Still here: take it back, with any taken back before it. */
        own->op = GL_OP_NOP;
        while (loop->sq_len > 0 && sq[loop->sq_len - 1].op == GL_OP_NOP) loop->sq_len--;
    } else if (loop->engine > 0 && loop_is_ours(loop)) {
        gl_sqe *s = new_sqe(loop, GL_OP_TIMER_CANCEL, -1, h->gen);
        if (s)
            s->user = h->id;
        else
            PyErr_Clear(); /* it comes due and finds no handle */
    }
    Py_DECREF(h);
}

PyObject *loop_timer_handle_cancelled(LoopObject *loop, PyObject *handle) {
    if (Py_IS_TYPE(handle, loop->state->types.TimerHandle)) timer_cancelled(loop, (TimerHandleObject *)handle);
    Py_RETURN_NONE;
}

PyObject *steal_due_timer(LoopObject *loop, uint32_t id, uint32_t gen) {
    if (id >= loop->timers_len || loop->timers[id].gen != gen || !loop->timers[id].handle) return NULL;
    TimerHandleObject *h = loop->timers[id].handle;
    release_id(loop, id);
    Py_XSETREF(h->scheduled, Py_NewRef(Py_False));
    return (PyObject *)h;
}

/* _take_timers() -> list: the scheduled handles, which the engine then forgets. */
PyObject *loop_take_timers(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    PyObject *list = PyList_New(loop->timers_live);
    Py_ssize_t n = 0;
    for (uint32_t i = 0; list && i < loop->timers_len; i++) {
        TimerHandleObject *h = loop->timers[i].handle;
        if (!h) continue;
        PyList_SET_ITEM(list, n++, Py_NewRef((PyObject *)h));
        timer_cancelled(loop, h);
    }
    return list;
}

/* _give_timer(handle): the engine keeps it from now on. */
PyObject *loop_give_timer(LoopObject *loop, PyObject *handle) {
    if (!Py_IS_TYPE(handle, loop->state->types.TimerHandle)) {
        PyErr_SetString(PyExc_TypeError, "not a timer of this loop");
        return NULL;
    }
    TimerHandleObject *h = (TimerHandleObject *)handle;
    double seconds = PyFloat_AsDouble(h->when);
    if (seconds == -1.0 && PyErr_Occurred()) return NULL;
    if (enroll(loop, h, to_ns(seconds)) < 0) return NULL;
    Py_RETURN_NONE;
}

TimerHandleObject *new_alarm(LoopObject *loop, double seconds) {
    TimerHandleObject *h = new_timer_handle(loop, Py_None, NULL, 0, NULL);
    if (!h) return NULL;
    Py_XSETREF(h->cancelled, Py_NewRef(Py_True));
    if (enroll(loop, h, to_ns(seconds + (double)monotonic_ns() * 1e-9)) < 0) Py_CLEAR(h);
    return h;
}

void timers_clear(LoopObject *loop) {
    for (uint32_t i = 0; i < loop->timers_len; i++) {
        TimerHandleObject *h = loop->timers[i].handle;
        if (!h) continue;
        release_id(loop, i);
        Py_XSETREF(h->scheduled, Py_NewRef(Py_False));
        Py_DECREF(h);
    }
}

int timers_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (uint32_t i = 0; i < loop->timers_len; i++) Py_VISIT(loop->timers[i].handle);
    return 0;
}

/* ---- the type ---- */

static int timer_clear(PyObject *self) {
    TimerHandleObject *h = (TimerHandleObject *)self;
    Py_CLEAR(h->scheduled);
    Py_CLEAR(h->when);
    return handle_clear(self);
}

static int timer_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((TimerHandleObject *)self)->when);
    return handle_traverse(self, visit, arg);
}

static void timer_dealloc(PyObject *self) {
    State *state = ((TimerHandleObject *)self)->state;
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    timer_clear(self);
    handle_free(self, state ? &state->free_timers : NULL);
}

static PyObject *timer_cancel(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (handle_is_cancelled(self)) Py_RETURN_NONE;
    State *state = ((TimerHandleObject *)self)->state;
    LoopObject *loop = new_loop_of(state ? state : state_of_type(Py_TYPE(self)), self);
    Py_INCREF(self); /* the table may hold the last reference */
    if (loop) {
        GUARD(loop->guard)
        timer_cancelled(loop, (TimerHandleObject *)self);
        UNGUARD
    }
    int rc = handle_cancel_fields(self, loop);
    Py_XDECREF(loop);
    Py_DECREF(self);
    return none_or_null(rc);
}

PyDoc_STRVAR(cancel_doc, "cancel()\n--\n\nCancel the callback. A second call, or one after it has run, does nothing.");
static PyMethodDef methods[] = {{"cancel", timer_cancel, METH_NOARGS, cancel_doc}, {0}};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A callback that call_later or call_at has scheduled; see asyncio.TimerHandle."},
    {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},
    {Py_tp_methods, methods},
    {0, NULL}};
static PyType_Spec spec = {"goloop._core.TimerHandle", sizeof(TimerHandleObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                           slots};

int timer_setup(PyObject *module) {
    PyObject *base = import_attribute("asyncio.events", "TimerHandle");
    if (!base) return -1;
    int rc = check_slot(base, "_scheduled", offsetof(TimerHandleObject, scheduled));
    if (rc == 0) rc = check_slot(base, "_when", offsetof(TimerHandleObject, when));
    if (rc == 0 && ((PyTypeObject *)base)->tp_basicsize != offsetof(TimerHandleObject, state)) {
        PyErr_SetString(PyExc_ImportError, "goloop: this CPython's asyncio handles have another size");
        rc = -1;
    }
    PyTypeObject *type = rc == 0 ? new_type(module, &spec, base) : NULL;
    Py_DECREF(base);
    state_of(module)->types.TimerHandle = type;
    return type ? 0 : -1;
}
