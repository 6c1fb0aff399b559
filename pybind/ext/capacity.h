/* What goloop.capacity tries before the engine is loaded. */
#ifndef GOLOOP_CAPACITY_H
#define GOLOOP_CAPACITY_H

#include "base.h"

/* Of the module. */
PyObject *count_threads(PyObject *module, PyObject *wanted);
PyObject *lacking_memory(PyObject *module, PyObject *args);
PyObject *memory_file(PyObject *module, PyObject *ignored);

#endif
