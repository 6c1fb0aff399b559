/* The beginning of a connect. Its end, when that takes a while, is a wait like others. */
#include "connect.h"

#include <errno.h>
#include <sys/socket.h>

#include "engine.h"
#include "errors.h"
#include "named.h"
#include "ring.h"
#include "sockaddr.h"

/* _connect(sock, fd, family, address): how the connect of a non-blocking socket stands that it
 * begins: 0 or EINPROGRESS. None for an address that sock.connect() has to look at.
 * OSError, as from there: it could not begin. */
PyObject *loop_connect(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_connect(sock, fd, family, address)", n, 4) < 0) return NULL;
    if (engine_usable(loop) < 0) return NULL;
    int fd = (int)PyLong_AsLong(args[1]);
    int family = (int)PyLong_AsLong(args[2]);
    if (PyErr_Occurred()) return NULL;
    struct sockaddr_storage address;
    socklen_t len;
    int known = loop->in_turn ? 0 : sockaddr_from_python(args[3], family, &address, &len);
    if (known < 0) return NULL;
    if (!known) Py_RETURN_NONE;
    if (PySys_Audit("socket.connect", "OO", args[0], args[3]) < 0) return NULL;
    gl_sqe s = {.op = GL_OP_CONNECT, .fd = fd, .ptr = (uintptr_t)&address, .len = len};
    int error = submit_one(loop, &s);
    if (error < 0) return NULL;
    return error && error != EINPROGRESS ? raise_errno(error) : PyLong_FromLong(error);
}
