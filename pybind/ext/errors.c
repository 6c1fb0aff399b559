/* What becomes of exceptions that nobody awaits. */
#include "errors.h"

bool is_exit_exception(PyObject *exception) {
    return PyErr_GivenExceptionMatches(exception, PyExc_SystemExit) ||
           PyErr_GivenExceptionMatches(exception, PyExc_KeyboardInterrupt);
}

void put_aside(PyObject **pending, int rc) {
    if (rc == 0) return;
    if (*pending)
        PyErr_Clear();
    else
        *pending = PyErr_GetRaisedException();
}

int raise_again(PyObject *pending, int rc) {
    if (!pending) return rc;
    if (rc < 0) PyErr_Clear();
    PyErr_SetRaisedException(pending);
    return -1;
}

int call_exception_handler(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport,
                           PyObject *protocol) {
    PyObject *context = Py_BuildValue("{s:s,s:O}", "message", message, "exception", exception);
    if (!context) return -1;
    int rc = 0;
    if (transport) rc = PyDict_SetItem(context, loop->state->names.transport, transport);
    if (rc == 0 && protocol) rc = PyDict_SetItem(context, loop->state->names.protocol, protocol);
    if (rc == 0) rc = call_method_drop((PyObject *)loop, loop->state->names.call_exception_handler, context);
    Py_DECREF(context);
    return rc;
}

/* Debug mode: what a transport's callbacks took, as asyncio says it of handles. */
int warn_if_slow(LoopObject *loop, PyObject *owner, int64_t started) {
    PyObject *seconds = PyFloat_FromDouble((double)(monotonic_ns() - started) * 1e-9);
    PyObject *argv[3] = {(PyObject *)loop, owner, seconds};
    PyObject *r = seconds ? PyObject_VectorcallMethod(loop->state->names._warn_slow, argv, 3, NULL) : NULL;
    Py_XDECREF(seconds);
    Py_XDECREF(r);
    return r ? 0 : -1;
}
