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
    PyObject *r = PyObject_CallMethod((PyObject *)loop, "_tell", "sOOO", message, exception, transport ? transport : Py_None,
                                      protocol ? protocol : Py_None);
    Py_XDECREF(r);
    return r ? 0 : -1;
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
