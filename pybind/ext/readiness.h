/* Readiness: a wait of one coroutine for one direction of a descriptor. */
#ifndef GOLOOP_READINESS_H
#define GOLOOP_READINESS_H

#include "loop.h"

int readiness_setup(PyObject *module);

/* Methods of the loop. */
PyObject *method_readable(LoopObject *loop, PyObject *fd);
PyObject *method_writable(LoopObject *loop, PyObject *fd);

#endif
