/* What goloop.capacity tries before the engine is loaded. */
#ifndef GOLOOP_CAPACITY_H
#define GOLOOP_CAPACITY_H

#include "base.h"

/* Of the module. */
PyObject *count_threads(PyObject *module, PyObject *wanted);
PyObject *stack_size(PyObject *module, PyObject *ignored);
PyObject *memory_file(PyObject *module, PyObject *ignored);

#endif
