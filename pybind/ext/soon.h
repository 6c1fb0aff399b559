/* call_soon and call_soon_threadsafe. */
#ifndef GOLOOP_SOON_H
#define GOLOOP_SOON_H

#include "loop.h"

PyObject *loop_call_soon(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n, PyObject *context);
int loop_call_soon_drop(LoopObject *loop, PyObject *callback, PyObject *arg, PyObject *context);

/* Methods of the loop. */
PyObject *method_call_soon(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *method_call_soon_threadsafe(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *method_add_callback(LoopObject *loop, PyObject *handle);
PyObject *method_add_callback_signalsafe(LoopObject *loop, PyObject *handle);

#endif
