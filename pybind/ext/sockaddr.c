/* Socket addresses in Python's form. */
#include "sockaddr.h"

#include <string.h>
#include <sys/un.h>

PyObject *new_address(const gl_address *a) {
    switch (a->family) {
    case AF_INET:
        return Py_BuildValue("(si)", a->host, a->port);
    case AF_INET6:
        return Py_BuildValue("(siII)", a->host, a->port, a->flow, a->scope);
    }
    Py_RETURN_NONE;
}

PyObject *new_path(const void *raw, socklen_t len) {
    const char *path = (const char *)raw + offsetof(struct sockaddr_un, sun_path);
    Py_ssize_t n = (Py_ssize_t)len - (Py_ssize_t)offsetof(struct sockaddr_un, sun_path);
    if (n < 0) Py_RETURN_NONE;
    if (n > 0 && path[0] == 0) return PyBytes_FromStringAndSize(path, n); /* abstract */
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, (size_t)n));
}

static PyObject *new_encoded_path(PyObject *path) {
    if (PyUnicode_Check(path)) return PyUnicode_EncodeFSDefault(path);
    return PyObject_CheckBuffer(path) ? PyBytes_FromObject(path) : NULL;
}

/* Of ints: another object's __index__ is Python's socket's to ask, once. */
static bool take_numbers(PyObject *address, Py_ssize_t n, gl_name *name) {
    int64_t *const numbers[] = {&name->port, &name->flow, &name->scope};
    for (Py_ssize_t i = 1; i < n; i++) {
        PyObject *number = PyTuple_GET_ITEM(address, i);
        *numbers[i - 1] = PyLong_Check(number) ? PyLong_AsLongLong(number) : -1;
        if (*numbers[i - 1] == -1) return false; /* none, or none of an address */
    }
    return true;
}

static PyObject *new_text_of(PyObject *address, int family, gl_name *name) {
    if (family == AF_UNIX) {
        PyObject *path = new_encoded_path(address);
        if (path) name->host = (uintptr_t)PyBytes_AS_STRING(path);
        name->host_len = path ? PyBytes_GET_SIZE(path) : 0;
        return path;
    }
    Py_ssize_t n = PyTuple_Check(address) ? PyTuple_GET_SIZE(address) : 0;
    if (n < 2 || n > (family == AF_INET6 ? 4 : 2) || !take_numbers(address, n, name)) return NULL;
    PyObject *host = PyTuple_GET_ITEM(address, 0);
    name->host = (uintptr_t)(PyUnicode_Check(host) ? PyUnicode_AsUTF8AndSize(host, &n) : NULL);
    name->host_len = n;
    return name->host ? Py_NewRef(host) : NULL;
}

PyObject *new_text(PyObject *address, int family, gl_name *name) {
    *name = (gl_name){.family = family};
    PyObject *text = new_text_of(address, family, name);
    if (!text) PyErr_Clear();
    return text;
}
