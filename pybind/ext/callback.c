/* The callbacks of transports, by the names that they have on asyncio. */
#include "callback.h"

#include "handle.h"

static PyObject *call_lost(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    (void)module;
    if (n != 2) Py_RETURN_NONE; /* those of messages only */
    PyObject *r;
    GUARD(TRANSPORT(args[0])->loop->guard)
    r = TRANSPORT(args[0])->kind->connection_lost(TRANSPORT(args[0]), args[1]);
    UNGUARD
    return r;
}

int callbacks_setup(PyObject *module) {
    State *state = state_of(module);
    for (int i = 0; i < CALLBACKS; i++) {
        const char *text = PyUnicode_AsUTF8(state->callback_names[i]);
        if (!text) return -1;
        state->callback_methods[i] = (PyMethodDef){text, (PyCFunction)(void (*)(void))call_lost, METH_FASTCALL, NULL};
        if (!(state->callbacks[i] = PyCFunction_New(&state->callback_methods[i], module))) return -1;
    }
    return 0;
}

static PyObject *new_callback(TransportObject *t, enum callback_name name) {
    return PyMethod_New(t->loop->state->callbacks[name], (PyObject *)t);
}

PyObject *new_lost_callback(TransportObject *t) { return new_callback(t, t->kind->lost_name); }

int transport_callback_failed(TransportObject *t, PyObject *exception, enum callback_name name) {
    /* A copy, for the context itself may be entered, and the exception handler runs in the handle's. */
    PyObject *context = PyContext_Copy(t->context), *callback = context ? new_callback(t, name) : NULL;
    int rc = callback_failed(t->loop, exception, callback, NULL, 0, context);
    Py_XDECREF(callback);
    Py_XDECREF(context);
    return rc;
}
