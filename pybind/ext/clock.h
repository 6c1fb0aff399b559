/* Loops whose time() is replaced. */
#ifndef GOLOOP_CLOCK_H
#define GOLOOP_CLOCK_H

#include "loop.h"

int clock_look(LoopObject *loop);
int loop_setattro(PyObject *self, PyObject *name, PyObject *value);
PyObject *loop_time(LoopObject *loop, PyObject *ignored);

#endif
