/* Lookups. */
#ifndef GOLOOP_NAMES_H
#define GOLOOP_NAMES_H

#include "loop.h"

int on_resolved(LoopObject *loop, gl_cqe *c);

/* Methods of the loop. */
PyObject *loop_getaddrinfo(LoopObject *, PyObject *const *, Py_ssize_t);
PyObject *loop_getnameinfo(LoopObject *, PyObject *);

#endif
