/* Lookups. */
#ifndef GOLOOP_NAMES_H
#define GOLOOP_NAMES_H

#include "loop.h"

int on_resolved(LoopObject *loop, gl_cqe *c);

/* Methods of the loop. */
PyObject *loop_getaddrinfo(LoopObject *, PyObject *);
PyObject *loop_getnameinfo(LoopObject *, PyObject *);
PyObject *loop_recall(LoopObject *, PyObject *const *, Py_ssize_t);
PyObject *loop_keep_literals(LoopObject *, PyObject *);

#endif
