/* Exceptions: kept, put aside, told to the loop. */
#ifndef GOLOOP_ERRORS_H
#define GOLOOP_ERRORS_H

#include "loop.h"

bool is_exit_exception(PyObject *exception); /* SystemExit or KeyboardInterrupt */
/* Keeps the first exception of several steps that are all to be made; rc of the step. */
void put_aside(PyObject **pending, int rc);
/* Raises what was put aside. Steals; NULL: rc stands. */
int raise_again(PyObject *pending, int rc);

/* NULL, with the OSError of an errno; the same as an object. */
PyObject *raise_errno(int error);
PyObject *new_os_error(int error);
/* An exit goes up: -1. All others are told to the exception handler. Steals the exception. */
int tell_unless_exit(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport, PyObject *protocol);
int call_exception_handler(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport,
                           PyObject *protocol);
int warn_if_slow(LoopObject *loop, PyObject *owner, int64_t started);

#endif
