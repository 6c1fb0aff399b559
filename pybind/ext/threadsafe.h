/* ThreadSafeHandle: what call_soon_threadsafe returns from Python 3.14 on. */
#ifndef GOLOOP_THREADSAFE_H
#define GOLOOP_THREADSAFE_H

#include "handle.h"

int thread_safe_handle_setup(PyObject *module);
PyObject *new_thread_safe_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                                 PyObject *context);
int run_handle(LoopObject *loop, PyObject *handle); /* of any kind; -1: leave the loop with the exception set */

#endif
