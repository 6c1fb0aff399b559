/* The beginning of a connect. */
#ifndef GOLOOP_CONNECT_H
#define GOLOOP_CONNECT_H

#include "loop.h"

PyObject *loop_connect(LoopObject *, PyObject *const *, Py_ssize_t); /* method of the loop */

#endif
