/* Socket addresses between the kernel's form and that of Python's socket. */
#include "sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
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

static bool take_number(PyObject *o, unsigned long most, uint32_t *out) {
    unsigned long n = PyLong_CheckExact(o) ? PyLong_AsUnsignedLong(o) : ULONG_MAX;
    *out = (uint32_t)n;
    if (n <= most) return true;
    PyErr_Clear();
    return false; /* the socket's own method has the error */
}

/* Encodes (host, port[, flow, scope]) when host is numeric. Returns 1, 0 when
 * somebody else has to look at it, -1 with an exception. */
int sockaddr_from_python(PyObject *address, int family, void *out, socklen_t *len) {
    Py_ssize_t n = PyTuple_Check(address) ? PyTuple_GET_SIZE(address) : 0;
    if (n < 2 || n > (family == AF_INET6 ? 4 : family == AF_INET ? 2 : 0)) return 0;
    PyObject *host = PyTuple_GET_ITEM(address, 0);
    if (!PyUnicode_Check(host) || !PyLong_CheckExact(PyTuple_GET_ITEM(address, 1))) return 0;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(host, &length);
    if (!text) return -1;
    if (strlen(text) != (size_t)length) return 0; /* a zero in it */
    static const unsigned long most[] = {65535, 0xFFFFF, UINT32_MAX};
    uint32_t numbers[] = {0, 0, 0}; /* port, flow, scope */
    for (Py_ssize_t i = 1; i < n; i++)
        if (!take_number(PyTuple_GET_ITEM(address, i), most[i - 1], &numbers[i - 1])) return 0;
    if (family == AF_INET) {
        struct sockaddr_in *a = out;
        *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)numbers[0])};
        *len = sizeof *a;
        return inet_pton(AF_INET, text, &a->sin_addr) == 1;
    }
    struct sockaddr_in6 *a = out;
    *a = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)numbers[0]),
                               .sin6_flowinfo = htonl(numbers[1]), .sin6_scope_id = numbers[2]};
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
