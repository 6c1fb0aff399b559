/* Lookups: arguments of getaddrinfo and getnameinfo to a query, answers to what
 * socket's functions of these names return. Which names need a lookup is the engine's
 * to say. */
#include "names.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "engine.h"
#include "errors.h"
#include "literal.h"
#include "named.h"
#include "ring.h"
#include "sockaddr.h"

/* An answer at once has six addresses and a text of 64 bytes at most. */
enum { AT_ONCE = 512 };

/* ---- answers ---- */

/* The member of socket's enumeration that a number stands for, or the number. */
static PyObject *new_member(PyObject *members, int value) {
    PyObject *number = PyLong_FromLong(value);
    PyObject *member = number ? PyDict_GetItemWithError(members, number) : NULL;
    if (!member) return number;
    Py_DECREF(number);
    return Py_NewRef(member);
}

/* (family, type, proto, canonname, address) */
static PyObject *new_address(State *state, const gl_address *a, const char *name, Py_ssize_t name_len) {
    PyObject *tuple = PyTuple_New(5);
    for (int i = 0; tuple && i < 5; i++) {
        PyObject *item = i == 0   ? new_member(state->lookups.families, a->family)
                         : i == 1 ? new_member(state->lookups.kinds, a->type)
                         : i == 2 ? PyLong_FromLong(a->proto)
                         : i == 3 ? PyUnicode_FromStringAndSize(name, name_len)
                                  : sockaddr_to_python(a->addr, (socklen_t)a->len);
        if (item)
            PyTuple_SET_ITEM(tuple, i, item);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

/* What socket.getaddrinfo returns. */
static PyObject *new_addresses(State *state, const uint8_t *p, uint32_t count, int64_t len) {
    PyObject *list = PyList_New(count);
    const char *name = (const char *)p + (size_t)count * sizeof(gl_address);
    Py_ssize_t name_len = (Py_ssize_t)(len - (int64_t)count * (int64_t)sizeof(gl_address));
    for (uint32_t i = 0; list && i < count; i++) {
        gl_address a;
        memcpy(&a, p + (size_t)i * sizeof a, sizeof a); /* it has no alignment */
        PyObject *item = new_address(state, &a, name, i == 0 ? name_len : 0);
        if (item)
            PyList_SET_ITEM(list, i, item);
        else
            Py_CLEAR(list);
    }
    return list;
}

/* (host, service) */
static PyObject *new_name(const uint8_t *p, int64_t len) {
    const char *host = (const char *)p;
    const char *service = host + strnlen(host, (size_t)len) + 1;
    return Py_BuildValue("(ss)", host, service);
}

static PyObject *new_answer(State *state, int what, const uint8_t *p, uint32_t count, int64_t len) {
    return what == GL_NAMEINFO ? new_name(p, len) : new_addresses(state, p, count, len);
}

/* What socket.getaddrinfo would raise, as an object. */
static PyObject *new_error(LoopObject *loop, int code, int error) {
    if (error) return PyObject_CallFunction(PyExc_OSError, "is", error, strerror(error));
    return PyObject_CallFunction(loop->state->imports.gaierror, "is", code, gai_strerror(code));
}

/* RESOLVED: to loop._resolved(number, answer), an exception for a failure. What cannot
 * be made of an answer is its failure too. */
int on_resolved(LoopObject *loop, gl_cqe *c) {
    PyObject *answer = c->res || c->fd ? new_error(loop, c->res, c->fd)
                                       : new_answer(loop->state, c->flags, (const uint8_t *)(uintptr_t)c->ptr, c->gen, c->len);
    if (!answer) answer = PyErr_GetRaisedException();
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_resolved", "KN", (unsigned long long)c->user, answer));
}

/* ---- queries ---- */

/* Hands a query over. Returns the answer; its number, when _resolved will bring it; or NULL. */
static PyObject *resolve(LoopObject *loop, gl_query *q) {
    uint64_t number = ++loop->lookups;
    uint8_t room[AT_ONCE];
    q->answer = (uintptr_t)room;
    q->len = sizeof room;
    gl_sqe s = {.op = GL_OP_RESOLVE, .user = number, .ptr = (uintptr_t)q};
    int error = submit_one(loop, &s);
    if (error < 0) return NULL;
    if (error == 0) return new_answer(loop->state, q->what, room, q->count, q->len);
    if (error == EINPROGRESS) return PyLong_FromUnsignedLongLong(number);
    if (error == EAGAIN) Py_RETURN_NOTIMPLEMENTED; /* no thread: asyncio's executor may have one, or says so */
    if (error == ENOMEM) return PyErr_NoMemory();
    return raise_errno(error);
}

/* The int in o, when it is an int (or an enum of ints) and a C int holds it. */
static bool take_int(PyObject *o, int32_t *out) {
    if (!PyLong_Check(o)) return false;
    int overflow;
    long value = PyLong_AsLongAndOverflow(o, &overflow);
    *out = (int32_t)value;
    return !overflow && value == *out;
}

/* A name of letters as it is goes to libc: what the idna codec would leave alone. */
static bool is_plain(const char *s, Py_ssize_t n) {
    Py_ssize_t label = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (s[i] != '.') {
            label++;
        } else {
            if (label == 0 || label > 63) return false;
            label = 0;
        }
    }
    return label < 64;
}

/* host as socket.getaddrinfo hands it to libc. Returns 1, 0 for a type that only the
 * standard library knows an error for, -1 with an exception. *owner keeps the text. */
static int take_host(PyObject *host, PyObject **owner, gl_query *q) {
    const char *text;
    if (host == Py_None) return 1;
    if (PyUnicode_Check(host)) {
        Py_ssize_t n = PyUnicode_GetLength(host);
        if (n < 0) return -1;
        if (PyUnicode_IS_ASCII(host) && is_plain((const char *)PyUnicode_1BYTE_DATA(host), n)) {
            *owner = Py_NewRef(host);
            text = (const char *)PyUnicode_1BYTE_DATA(host);
        } else {
            *owner = PyUnicode_AsEncodedString(host, "idna", NULL);
            if (!*owner) return -1;
            text = PyBytes_AS_STRING(*owner);
        }
    } else if (PyBytes_Check(host)) {
        *owner = Py_NewRef(host);
        text = PyBytes_AS_STRING(host);
    } else {
        return 0;
    }
    q->host = (uintptr_t)text;
    q->host_len = (int64_t)strlen(text); /* libc's end is the first zero */
    return 1;
}

/* The same for a port. */
static int take_port(PyObject *port, gl_query *q) {
    const char *text;
    if (port == Py_None) return 1;
    if (PyLong_CheckExact(port)) {
        int overflow;
        q->service = (uint64_t)PyLong_AsLongAndOverflow(port, &overflow);
        q->service_len = -1;
        return !overflow;
    } else if (PyUnicode_Check(port)) {
        text = PyUnicode_AsUTF8(port);
        if (!text) return -1;
    } else if (PyBytes_Check(port)) {
        text = PyBytes_AS_STRING(port);
    } else {
        return 0;
    }
    q->service = (uintptr_t)text;
    q->service_len = (int64_t)strlen(text);
    return 1;
}

static int audit_getaddrinfo(PyObject *const *args, const gl_query *q) {
    return PySys_Audit("socket.getaddrinfo", "OOiii", args[0], args[1], q->family, q->type, q->proto);
}

/* A list of what is kept, for the program's to change. */
static PyObject *new_kept_answer(PyObject *kept, PyObject *const *args, const gl_query *q) {
    Py_INCREF(kept); /* hooks may run anything */
    Py_ssize_t n = PyTuple_GET_SIZE(kept);
    PyObject *list = audit_getaddrinfo(args, q) == 0 ? PyList_New(n) : NULL;
    for (Py_ssize_t i = 0; list && i < n; i++) PyList_SET_ITEM(list, i, Py_NewRef(PyTuple_GET_ITEM(kept, i)));
    Py_DECREF(kept);
    return list;
}

/* _getaddrinfo(host, port, family, type, proto, flags): the answer; a number when
 * _resolved(number, answer) will bring it; NotImplemented where the standard library's way
 * has to be taken, with its errors, or its debug mode. */
PyObject *loop_getaddrinfo(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_getaddrinfo(host, port, family, type, proto, flags)", n, 6) < 0) return NULL;
    if (engine_usable(loop) < 0) return NULL;
    gl_query q = {.what = GL_ADDRINFO};
    if (loop->debug || loop->in_turn || !take_int(args[2], &q.family) || !take_int(args[3], &q.type) ||
        !take_int(args[4], &q.proto) || !take_int(args[5], &q.flags))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *owner = NULL, *result = NULL, *kept = borrow_literal(loop, args[0], args[1], &q);
    if (kept) return new_kept_answer(kept, args, &q);
    int known = take_host(args[0], &owner, &q);
    if (known > 0) known = take_port(args[1], &q);
    if (known == 0)
        result = Py_NewRef(Py_NotImplemented);
    else if (known > 0 && audit_getaddrinfo(args, &q) == 0)
        result = resolve(loop, &q);
    Py_XDECREF(owner);
    if (result && PyList_CheckExact(result)) literal_keep(loop, args[0], args[1], &q, result);
    return result;
}

/* _getnameinfo(sockaddr, flags, host, port, flow, scope): the same. */
PyObject *loop_getnameinfo(LoopObject *loop, PyObject *args) {
    gl_query q = {.what = GL_NAMEINFO, .service_len = -1};
    PyObject *address;
    const char *host;
    Py_ssize_t len;
    int port;
    if (!PyArg_ParseTuple(args, "Ois#iII", &address, &q.flags, &host, &len, &port, &q.flow, &q.scope)) return NULL;
    if (engine_usable(loop) < 0) return NULL;
    if (loop->debug || loop->in_turn) Py_RETURN_NOTIMPLEMENTED;
    if (PySys_Audit("socket.getnameinfo", "(O)", address) < 0) return NULL;
    q.host = (uintptr_t)host;
    q.host_len = len;
    q.service = (uint64_t)(int64_t)port;
    return resolve(loop, &q);
}
