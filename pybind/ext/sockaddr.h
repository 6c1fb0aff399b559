/* Socket addresses between the kernel's form and that of Python's socket. */
#ifndef GOLOOP_SOCKADDR_H
#define GOLOOP_SOCKADDR_H

#include "base.h"

#include <sys/socket.h>

PyObject *sockaddr_to_python(const void *addr, socklen_t len);
int sockaddr_from_python(PyObject *address, int family, void *out, socklen_t *len); /* 0: not numeric */
int sockaddr_from_path(PyObject *path, void *out, socklen_t *len);

#endif
