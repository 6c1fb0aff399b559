/* Loops whose time() is replaced, by a subclass or on the instance. asyncio asks
 * time() for every timer, so that its scheduler follows a clock that jumps or
 * stands still. Here such a loop is noticed; goloop/clock.py then keeps its timers
 * and takes its turns. All others never ask. */
#include "clock.h"

PyObject *loop_time(LoopObject *loop, PyObject *ignored) {
    (void)loop;
    (void)ignored;
    return PyFloat_FromDouble((double)monotonic_ns() * 1e-9);
}

/* Whether a method of the loop is the one that the type _core.Loop has. */
static int is_ours(LoopObject *loop, PyObject *name) {
    PyObject *method = PyObject_GetAttr((PyObject *)loop, name);
    PyObject *own = method ? PyObject_GetAttr((PyObject *)loop->state->types.Loop, name) : NULL;
    int ours = -1;
    if (own)
        ours = PyCFunction_Check(method) && PyCFunction_GET_SELF(method) == (PyObject *)loop &&
               ((PyCFunctionObject *)method)->m_ml == ((PyMethodDescrObject *)own)->d_method;
    Py_XDECREF(own);
    Py_XDECREF(method);
    return ours;
}

/* Looks who answers time() and call_at(), and hands the timers over when that
 * has changed: at every run, and when an attribute of the loop is set. */
int clock_look(LoopObject *loop) {
    int call_at = is_ours(loop, loop->state->names.call_at);
    int time = call_at < 0 ? -1 : is_ours(loop, loop->state->names.time);
    if (time < 0) return -1;
    loop->custom_call_at = !call_at;
    if (loop->custom_time == !time) return 0;
    loop->custom_time = !time;
    int rc = steal_result(PyObject_CallMethod((PyObject *)loop, time ? "_stop_clock" : "_start_clock", NULL));
    if (rc < 0) loop->custom_time = !loop->custom_time; /* the next run tries again */
    return rc;
}

int loop_setattro(PyObject *self, PyObject *name, PyObject *value) {
    if (PyObject_GenericSetAttr(self, name, value) < 0) return -1;
    LoopObject *loop = (LoopObject *)self;
    Names *names = &loop->state->names;
    if ((name != names->time && name != names->call_at) || loop->engine <= 0 || loop->closed) return 0;
    int rc;
    GUARD(loop->guard)
    rc = clock_look(loop);
    UNGUARD
    return rc;
}
