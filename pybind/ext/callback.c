/* Callbacks of transports that handles and messages show: by the names that they have on asyncio. */
#include "transport.h"

static PyObject *call_lost(PyObject *module, PyObject *const *args, Py_ssize_t n) {
    (void)module;
    if (n != 2) Py_RETURN_NONE; /* those of messages only */
    return method_call_connection_lost(TRANSPORT(args[0]), args[1]);
}

#define NAMED {"", (PyCFunction)(void (*)(void))call_lost, METH_FASTCALL, NULL}
static PyMethodDef named[] = {NAMED, NAMED, NAMED, NAMED, NAMED, NAMED, NAMED};

/* Each has the name that asyncio's own has in this version of Python. */
int callbacks_setup(void) {
    static const struct {
        const char *module, *class, *method;
    } asyncio[] = {
        [STREAM_LOST] = {"asyncio.selector_events", "_SelectorSocketTransport", "_call_connection_lost"},
        [DATAGRAM_LOST] = {"asyncio.selector_events", "_SelectorDatagramTransport", "_call_connection_lost"},
        [READ_PIPE_LOST] = {"asyncio.unix_events", "_UnixReadPipeTransport", "_call_connection_lost"},
        [WRITE_PIPE_LOST] = {"asyncio.unix_events", "_UnixWritePipeTransport", "_call_connection_lost"},
        /* The engine reads and sends: these stand in messages only. */
        [PIPE_READ] = {"asyncio.unix_events", "_UnixReadPipeTransport", "_read_ready"},
        [DATAGRAM_READ] = {"asyncio.selector_events", "_SelectorDatagramTransport", "_read_ready"},
        [DATAGRAM_SEND] = {"asyncio.selector_events", "_SelectorDatagramTransport", "_sendto_ready"},
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        PyObject *module = PyImport_ImportModule(asyncio[i].module);
        PyObject *class = module ? PyObject_GetAttrString(module, asyncio[i].class) : NULL;
        PyObject *method = class ? PyObject_GetAttrString(class, asyncio[i].method) : NULL;
        PyObject *name = method ? PyObject_GetAttrString(method, "__qualname__") : NULL; /* for ever */
        Py_XDECREF(method);
        Py_XDECREF(class);
        Py_XDECREF(module);
        if (!name || !(named[i].ml_name = PyUnicode_AsUTF8(name))) return -1;
    }
    return 0;
}

static PyObject *new_callback(TransportObject *t, enum callback_name name) {
    static PyObject *functions[sizeof named / sizeof *named];
    if (!functions[name] && !(functions[name] = PyCFunction_New(&named[name], NULL))) return NULL;
    return PyMethod_New(functions[name], (PyObject *)t);
}

enum callback_name lost_name(TransportObject *t) {
    if (Py_IS_TYPE(t, ReadPipe_Type)) return READ_PIPE_LOST;
    if (Py_IS_TYPE(t, WritePipe_Type)) return WRITE_PIPE_LOST;
    return Py_IS_TYPE(t, Datagram_Type) ? DATAGRAM_LOST : STREAM_LOST;
}

/* _call_connection_lost of its type. */
PyObject *new_lost_callback(TransportObject *t) { return new_callback(t, lost_name(t)); }

int transport_callback_failed(TransportObject *t, PyObject *exception, enum callback_name name) {
    /* A copy, for the context itself may be entered, and the exception handler runs in the handle's. */
    PyObject *context = PyContext_Copy(t->context), *callback = context ? new_callback(t, name) : NULL;
    int rc = callback_failed(t->loop, exception, callback, NULL, 0, context);
    Py_XDECREF(callback);
    Py_XDECREF(context);
    return rc;
}
