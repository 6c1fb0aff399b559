/* Socket addresses between the kernel's form and that of Python's socket. */
#include "sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* As socket.getpeername() would give it; None for a family that is not known. addr need not be aligned: behind
 * a datagram's bytes it is not. */
PyObject *sockaddr_to_python(const void *addr, socklen_t len) {
    char text[INET6_ADDRSTRLEN];
    sa_family_t family = AF_UNSPEC;
    if (len >= sizeof family + offsetof(struct sockaddr, sa_family))
        memcpy(&family, (const char *)addr + offsetof(struct sockaddr, sa_family), sizeof family);
    switch (family) {
    case AF_INET: {
        struct sockaddr_in a;
        memcpy(&a, addr, sizeof a);
        inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
        return Py_BuildValue("(si)", text, (int)ntohs(a.sin_port));
    }
    case AF_INET6: {
        struct sockaddr_in6 a;
        memcpy(&a, addr, sizeof a);
        inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text);
        return Py_BuildValue("(siII)", text, (int)ntohs(a.sin6_port), (unsigned)ntohl(a.sin6_flowinfo),
                             (unsigned)a.sin6_scope_id);
    }
    case AF_UNIX: {
        const char *path = (const char *)addr + offsetof(struct sockaddr_un, sun_path);
        Py_ssize_t n = (Py_ssize_t)len - (Py_ssize_t)offsetof(struct sockaddr_un, sun_path);
        if (n > 0 && path[0] == 0) return PyBytes_FromStringAndSize(path, n); /* abstract */
        if (n < 0) n = 0;
        return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, (size_t)n));
    }
    }
    Py_RETURN_NONE;
}

/* Encodes (host, port[, flow, scope]) when host is numeric. Returns 1, 0 when
 * somebody else has to look at it, -1 with an exception. */
int sockaddr_from_python(PyObject *address, int family, void *out, socklen_t *len) {
    if ((family != AF_INET && family != AF_INET6) || !PyTuple_Check(address)) return 0;
    Py_ssize_t n = PyTuple_GET_SIZE(address);
    if (n < 2 || n > 4 || (family == AF_INET && n != 2)) return 0;
    PyObject *host = PyTuple_GET_ITEM(address, 0), *port = PyTuple_GET_ITEM(address, 1);
    if (!PyUnicode_Check(host) || !PyLong_CheckExact(port)) return 0;
    const char *text = PyUnicode_AsUTF8(host);
    if (!text) return -1;
    long number = PyLong_AsLong(port);
    if (number < 0 || number > 65535) {
        PyErr_Clear();
        return 0; /* socket.connect has the error */
    }
    if (family == AF_INET) {
        struct sockaddr_in *a = out;
        memset(a, 0, sizeof *a);
        a->sin_family = AF_INET;
        a->sin_port = htons((uint16_t)number);
        *len = sizeof *a;
        return inet_pton(AF_INET, text, &a->sin_addr) == 1;
    }
    unsigned long more[2] = {0, 0};
    for (Py_ssize_t i = 2; i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(address, i);
        if (!PyLong_CheckExact(o)) return 0;
        more[i - 2] = PyLong_AsUnsignedLong(o);
        if (PyErr_Occurred() || more[i - 2] > (i == 2 ? 0xFFFFF : UINT32_MAX)) {
            PyErr_Clear();
            return 0;
        }
    }
    struct sockaddr_in6 *a = out;
    memset(a, 0, sizeof *a);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons((uint16_t)number);
    a->sin6_flowinfo = htonl((uint32_t)more[0]);
    a->sin6_scope_id = (uint32_t)more[1];
    *len = sizeof *a;
    return inet_pton(AF_INET6, text, &a->sin6_addr) == 1;
}

/* Encodes the path of a Unix socket, or its name in the abstract namespace. Returns
 * 1, 0 when somebody else has to look at it, -1 with an exception. */
int sockaddr_from_path(PyObject *path, void *out, socklen_t *len) {
    struct sockaddr_un *a = out;
    PyObject *bytes;
    if (PyUnicode_Check(path))
        bytes = PyUnicode_EncodeFSDefault(path);
    else
        bytes = PyObject_CheckBuffer(path) ? PyBytes_FromObject(path) : NULL;
    if (!bytes) return PyErr_Occurred() ? -1 : 0;
    Py_ssize_t n = PyBytes_GET_SIZE(bytes);
    bool fits = n > 0 && (size_t)n < sizeof a->sun_path;
    if (fits) {
        memset(a, 0, sizeof *a);
        a->sun_family = AF_UNIX;
        memcpy(a->sun_path, PyBytes_AS_STRING(bytes), (size_t)n);
        /* A name is as long as it says, a path ends with a 0. */
        *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n + (a->sun_path[0] != 0));
    }
    Py_DECREF(bytes);
    return fits;
}
