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
    if (check_number("_connect(sock, fd, family, address)", n, 4) < 0 || engine_usable(loop) < 0) return NULL;
    int fd = (int)PyLong_AsLong(args[1]), family = (int)PyLong_AsLong(args[2]);
    if (PyErr_Occurred()) return NULL;
    gl_name name;
    struct sockaddr_storage address;
    PyObject *text = loop->in_turn ? NULL : new_text(args[3], family, &name);
    int32_t len = text ? loop->api->sockaddr(&name, &address) : 0;
    Py_XDECREF(text);
    if (len <= 0) Py_RETURN_NONE; /* before audit hooks hear of it: sock.connect() tells them */
    if (PySys_Audit("socket.connect", "OO", args[0], args[3]) < 0) return NULL;
    gl_sqe s = {.op = GL_OP_CONNECT, .fd = fd, .ptr = (uintptr_t)&address, .len = len};
    int error = submit_one(loop, &s);
    if (error < 0) return NULL;
    return error && error != EINPROGRESS ? raise_errno(error) : PyLong_FromLong(error);
}
