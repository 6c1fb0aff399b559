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

/* Each has the name that asyncio's own has in this version of Python. */
int callbacks_setup(PyObject *module) {
    static const struct {
        const char *module, *class, *method;
    } asyncio[CALLBACKS] = {
        [STREAM_LOST] = {"asyncio.selector_events", "_SelectorSocketTransport", "_call_connection_lost"},
        [DATAGRAM_LOST] = {"asyncio.selector_events", "_SelectorDatagramTransport", "_call_connection_lost"},
        [READ_PIPE_LOST] = {"asyncio.unix_events", "_UnixReadPipeTransport", "_call_connection_lost"},
        [WRITE_PIPE_LOST] = {"asyncio.unix_events", "_UnixWritePipeTransport", "_call_connection_lost"},
        /* The engine reads and sends: these stand in messages only. */
        [PIPE_READ] = {"asyncio.unix_events", "_UnixReadPipeTransport", "_read_ready"},
        [DATAGRAM_READ] = {"asyncio.selector_events", "_SelectorDatagramTransport", "_read_ready"},
        [DATAGRAM_SEND] = {"asyncio.selector_events", "_SelectorDatagramTransport", "_sendto_ready"},
    };
    State *state = state_of(module);
    for (int i = 0; i < CALLBACKS; i++) {
        PyObject *class = import_attribute(asyncio[i].module, asyncio[i].class);
        PyObject *method = class ? PyObject_GetAttrString(class, asyncio[i].method) : NULL;
        PyObject *name = method ? PyObject_GetAttrString(method, "__qualname__") : NULL;
        Py_XDECREF(method);
        Py_XDECREF(class);
        state->callback_names[i] = name; /* keeps its text */
        const char *text = name ? PyUnicode_AsUTF8(name) : NULL;
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
