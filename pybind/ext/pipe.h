/* The ends of a pipe; the classes have asyncio's names, _UnixReadPipeTransport and _UnixWritePipeTransport. */
#ifndef GOLOOP_PIPE_H
#define GOLOOP_PIPE_H

#include "base.h"

int pipe_setup(PyObject *module);
PyObject *loop_connected_pipe(LoopObject *loop, PyObject *args); /* a method of the loop */

#endif
