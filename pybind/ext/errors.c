/* What becomes of exceptions that nobody awaits. */
#include "errors.h"

#include <errno.h>

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

PyObject *raise_errno(int error) {
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject *new_os_error(int error) {
    raise_errno(error);
    return PyErr_GetRaisedException();
}

int call_exception_handler(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport,
                           PyObject *protocol) {
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_tell", "sOOO", message, exception,
                                            transport ? transport : Py_None, protocol ? protocol : Py_None));
}

int tell_unless_exit(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport, PyObject *protocol) {
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    int rc = message ? call_exception_handler(loop, message, exception, transport, protocol) : 0;
    Py_DECREF(exception);
    return rc;
}

/* Debug mode: what a transport's callbacks took, as asyncio says it of handles. */
int warn_if_slow(LoopObject *loop, PyObject *owner, int64_t started) {
    double seconds = (double)(monotonic_ns() - started) * 1e-9;
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_warn_slow", "Od", owner, seconds));
}
