/* Attempt: one call of sock_recv, sock_recv_into or sock_sendall that has to wait. */
#ifndef GOLOOP_ATTEMPT_H
#define GOLOOP_ATTEMPT_H

#include "loop.h"

int attempt_setup(PyObject *module);

/* Methods of the loop. */
PyObject *method_receive(LoopObject *loop, PyObject *const *args, Py_ssize_t n);
PyObject *method_receive_into(LoopObject *loop, PyObject *const *args, Py_ssize_t n);
PyObject *method_readable(LoopObject *loop, PyObject *fd);
PyObject *method_writable(LoopObject *loop, PyObject *fd);
PyObject *method_send(LoopObject *loop, PyObject *const *args, Py_ssize_t n);

#endif
