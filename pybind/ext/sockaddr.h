/* Socket addresses in Python's form. The engine knows the system's. */
#ifndef GOLOOP_SOCKADDR_H
#define GOLOOP_SOCKADDR_H

#include "base.h"

#include <sys/socket.h>

PyObject *new_address(const gl_address *a); /* as socket.getpeername() gives it; None for a family that is not known */
PyObject *new_path(const void *raw, socklen_t len); /* the same of a Unix socket's sockaddr */
/* Names (host, port[, flow, scope]), or a Unix socket's path, and returns the object that has the text. NULL, without an exception:
 * only Python's socket knows it, or the error. */
PyObject *new_text(PyObject *address, int family, gl_name *name);

#endif
