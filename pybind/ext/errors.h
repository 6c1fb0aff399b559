/* Exceptions: kept, put aside, told to the loop. */
#ifndef GOLOOP_ERRORS_H
#define GOLOOP_ERRORS_H

#include "loop.h"

bool is_exit_exception(PyObject *exception); /* SystemExit or KeyboardInterrupt */
/* Keeps the first exception of several steps that are all to be made; rc of the step. */
void put_aside(PyObject **pending, int rc);
/* Raises what was put aside. Steals; NULL: rc stands. */
int raise_again(PyObject *pending, int rc);

int call_exception_handler(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport,
                           PyObject *protocol);
int warn_if_slow(LoopObject *loop, PyObject *owner, int64_t started);

/* Calls o.name() or o.name(arg) and drops the result. */
static inline int call_method_drop(PyObject *o, PyObject *name, PyObject *arg) {
    PyObject *argv[2] = {o, arg};
    PyObject *r = PyObject_VectorcallMethod(name, argv, arg ? 2 : 1, NULL);
    if (!r) return -1;
    Py_DECREF(r);
    return 0;
}

#endif
