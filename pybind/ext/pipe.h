/* ReadPipeTransport and WritePipeTransport. */
#ifndef GOLOOP_PIPE_H
#define GOLOOP_PIPE_H

#include "base.h"

int pipe_setup(PyObject *module);
PyObject *connected_pipe(PyObject *module, PyObject *args); /* of the module */

#endif
