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
    PyObject *family = new_member(state->lookups.families, a->family);
    PyObject *kind = family ? new_member(state->lookups.kinds, a->type) : NULL;
    PyObject *address = kind ? sockaddr_to_python(a->addr, (socklen_t)a->len) : NULL;
    PyObject *tuple = address ? Py_BuildValue("(OOis#O)", family, kind, (int)a->proto, name, name_len, address) : NULL;
    Py_XDECREF(family);
    Py_XDECREF(kind);
    Py_XDECREF(address);
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

/* A short name of letters goes to libc as it is: the idna codec would leave it alone. */
static bool is_plain(PyObject *host) {
    if (PyUnicode_GetLength(host) >= 64 || !PyUnicode_IS_ASCII(host)) return false;
    const char *s = (const char *)PyUnicode_1BYTE_DATA(host);
    return s[0] != '.' && !strstr(s, "..") && (Py_ssize_t)strlen(s) == PyUnicode_GET_LENGTH(host);
}

/* A text for libc, whose end is the first zero. 0: of a type that only the standard library knows an error for; -1 with an
 * exception. */
static int borrow_text(PyObject *o, uint64_t *text, int64_t *len) {
    const char *s = PyBytes_Check(o) ? PyBytes_AS_STRING(o) : PyUnicode_Check(o) ? PyUnicode_AsUTF8(o) : NULL;
    if (!s) return PyErr_Occurred() ? -1 : 0;
    *text = (uintptr_t)s;
    *len = (int64_t)strlen(s);
    return 1;
}

/* The same of host and of a port that is no number, as socket.getaddrinfo hands them to libc. *encoded keeps what is not the
 * caller's. */
static int borrow_texts(PyObject *host, PyObject *port, gl_query *q, PyObject **encoded) {
    int known = 1;
    if (PyUnicode_Check(host) && !is_plain(host)) {
        host = *encoded = PyUnicode_AsEncodedString(host, "idna", NULL);
        if (!host) return -1;
    }
    if (host != Py_None) known = borrow_text(host, &q->host, &q->host_len);
    return known <= 0 || q->service_len || port == Py_None ? known : borrow_text(port, &q->service, &q->service_len);
}

static bool take_port(PyObject *port, gl_query *q) {
    int overflow = 0;
    if (!PyLong_CheckExact(port)) return true; /* a text, if anything */
    q->service = (uint64_t)PyLong_AsLongAndOverflow(port, &overflow);
    q->service_len = -1;
    return !overflow;
}

/* _getaddrinfo(host, port, family, type, proto, flags): the answer; a number when
 * _resolved(number, answer) will bring it; NotImplemented where the standard library's way
 * has to be taken, with its errors, or its debug mode. */
PyObject *loop_getaddrinfo(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_getaddrinfo(host, port, family, type, proto, flags)", n, 6) < 0) return NULL;
    if (engine_usable(loop) < 0) return NULL;
    gl_query q = {.what = GL_ADDRINFO};
    if (loop->debug || loop->in_turn || !take_int(args[2], &q.family) || !take_int(args[3], &q.type) ||
        !take_int(args[4], &q.proto) || !take_int(args[5], &q.flags) || !take_port(args[1], &q))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *encoded = NULL, *kept = Py_XNewRef(borrow_literal(loop, args[0], &q)), *result = NULL;
    int known = kept ? 1 : borrow_texts(args[0], args[1], &q, &encoded);
    if (known == 0) {
        result = Py_NewRef(Py_NotImplemented);
    } else if (known > 0 && PySys_Audit("socket.getaddrinfo", "OOiii", args[0], args[1], q.family, q.type, q.proto) == 0) {
        result = kept ? PyList_GetSlice(kept, 0, PyList_GET_SIZE(kept)) : resolve(loop, &q);
        if (!kept && result && PyList_CheckExact(result)) literal_keep(loop, args[0], &q, result);
    }
    Py_XDECREF(kept);
    Py_XDECREF(encoded);
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
