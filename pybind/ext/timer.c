/* call_later, call_at and what they return. */
#include "timer.h"

#include <math.h>
#include <stddef.h>

#include "call.h"
#include "clock.h"
#include "engine.h"
#include "tasks.h"

/* Seconds of loop.time() as nanoseconds, rounded up; NaN is due at once. */
static int64_t to_ns(double when) {
    double ns = when * 1e9;
    if (isnan(ns)) return 0;
    if (ns >= 9.2e18) return INT64_MAX - 1;
    if (ns <= -9.2e18) return INT64_MIN + 1;
    int64_t whole = (int64_t)ns;
    return whole + ((double)whole < ns);
}

/* What call_at asks before it looks at the time; call_later has added to it by then. */
static int check_usable(LoopObject *loop, PyObject *callback) {
    if (engine_usable(loop) < 0) return -1;
    return loop->debug ? debug_checks(loop, callback, "call_at", true) : 0;
}

/* Steals when. */
static PyObject *schedule(LoopObject *loop, PyObject *when, PyObject *const *args, Py_ssize_t n, PyObject *context) {
    double seconds = check_usable(loop, args[0]) < 0   ? -1.0
                     : PyFloat_CheckExact(when) ? PyFloat_AS_DOUBLE(when)
                                                : PyFloat_AsDouble(when);
    if (seconds == -1.0 && PyErr_Occurred()) {
        Py_DECREF(when);
        return NULL;
    }
    PyTypeObject *type = loop->state->types.TimerHandle;
    TimerHandleObject *h = (TimerHandleObject *)new_handle_as(type, FREE_TIMERS, loop, args[0], args + 1, n - 1, context);
    if (!h) {
        Py_DECREF(when);
        return NULL;
    }
    h->when = when;
    int rc;
    if (loop->custom_time) {
        h->scheduled = Py_NewRef(Py_True);
        rc = steal_result(PyObject_CallMethod((PyObject *)loop, "_schedule_by_clock", "O", h));
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
    return raise_text(PyExc_TypeError, later ? "delay must not be None" : "when cannot be None");
}

/* time() + delay. */
static PyObject *new_when(LoopObject *loop, PyObject *delay) {
    double now = (double)monotonic_ns() * 1e-9;
    loop->fresh.clock = to_ns(now); /* as now and a delay of 0 are rounded: due by what is known */
    if (PyFloat_CheckExact(delay)) return PyFloat_FromDouble(now + PyFloat_AS_DOUBLE(delay));
    if (PyLong_CheckExact(delay)) {
        double seconds = PyLong_AsDouble(delay);
        return seconds == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(now + seconds);
    }
    PyObject *number = PyFloat_FromDouble(now);
    PyObject *when = number ? PyNumber_Add(number, delay) : NULL; /* whatever adds to a float */
    Py_XDECREF(number);
    return when;
}

PyObject *loop_call_later(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (loop->custom_time || loop->custom_call_at) return call_base(loop, loop->state->names.call_later, args, n, kwnames);
    if (take_call(&c, "BaseEventLoop.call_later", "delay", args, n, kwnames) < 0 || refuse_none(&c, true) < 0) return NULL;
    PyObject *when = new_when(loop, c.args[0]);
    return when ? schedule(loop, when, c.args + 1, c.n - 1, c.context) : NULL;
}

PyObject *loop_call_at(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (take_call(&c, "BaseEventLoop.call_at", "when", args, n, kwnames) < 0 || refuse_none(&c, false) < 0) return NULL;
    return schedule(loop, Py_NewRef(c.args[0]), c.args + 1, c.n - 1, c.context);
}

/* _give_timer(handle): the engine keeps it from now on. */
PyObject *loop_give_timer(LoopObject *loop, PyObject *handle) {
    if (!Py_IS_TYPE(handle, loop->state->types.TimerHandle)) return PyErr_Format(PyExc_TypeError, "not a timer of this loop");
    TimerHandleObject *h = (TimerHandleObject *)handle;
    if (is_enrolled(loop, h)) Py_RETURN_NONE;
    double seconds = PyFloat_AsDouble(h->when);
    if (seconds == -1.0 && PyErr_Occurred()) return NULL;
    return none_or_null(enroll(loop, h, to_ns(seconds)));
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
    handle_dealloc_as(self, ((TimerHandleObject *)self)->tail.state, timer_clear, FREE_TIMERS);
}

static PyObject *timer_cancel(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (handle_is_cancelled(self)) Py_RETURN_NONE;
    State *state = ((TimerHandleObject *)self)->tail.state;
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

static PyMethodDef methods[] = {{"cancel", timer_cancel, METH_NOARGS, CANCEL_DOC}, {0}};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A callback that call_later or call_at has scheduled; see asyncio.TimerHandle."},
    {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, handle_getset},
    {0, NULL}};
static PyType_Spec spec = {"goloop._core.TimerHandle", sizeof(TimerHandleObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                           slots};

int timer_setup(PyObject *module) {
    static const Place places[] = {{"_scheduled", offsetof(TimerHandleObject, scheduled)},
                                   {"_when", offsetof(TimerHandleObject, when)},
                                   {NULL, offsetof(TimerHandleObject, link)}};
    return (state_of(module)->types.TimerHandle = new_type_over(module, &spec, "asyncio.events", "TimerHandle", places)) ? 0 : -1;
}
