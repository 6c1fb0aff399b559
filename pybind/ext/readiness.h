/* Readiness: a wait of one coroutine for one direction of a descriptor, and sock_recv and its kin of plain sockets. */
#ifndef GOLOOP_READINESS_H
#define GOLOOP_READINESS_H

#include "loop.h"

int readiness_setup(PyObject *module);
int wake_future(State *state, PyObject *future); /* its result is None, unless it is done */

/* Methods of the loop. */
PyObject *method_readable(LoopObject *loop, PyObject *fd);
PyObject *method_writable(LoopObject *loop, PyObject *fd);
PyObject *method_connecting(LoopObject *loop, PyObject *fd);
PyObject *method_receive(LoopObject *loop, PyObject *const *args, Py_ssize_t n);
PyObject *method_receive_into(LoopObject *loop, PyObject *const *args, Py_ssize_t n);
PyObject *method_send(LoopObject *loop, PyObject *const *args, Py_ssize_t n);

#endif
