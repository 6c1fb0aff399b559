/* Lookups: queries to the engine, answers to what socket's functions return. Which names need a lookup is the engine's
 * to say. */
#include "names.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "engine.h"
#include "errors.h"
#include "named.h"
#include "ring.h"
#include "sockaddr.h"

/* Of an answer at once: that to a literal has three addresses and a text of 64 bytes at most. */
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
static PyObject *new_info(State *state, const gl_address *a, const char *name, Py_ssize_t name_len) {
    PyObject *family = new_member(state->lookups.families, a->family);
    PyObject *kind = family ? new_member(state->lookups.kinds, a->type) : NULL;
    PyObject *proto = kind ? PyLong_FromLong(a->proto) : NULL;
    PyObject *canonical = proto ? PyUnicode_FromStringAndSize(name, name_len) : NULL;
    PyObject *address = canonical ? new_address(a) : NULL;
    PyObject *tuple = address ? PyTuple_Pack(5, family, kind, proto, canonical, address) : NULL;
    Py_XDECREF(family);
    Py_XDECREF(kind);
    Py_XDECREF(proto);
    Py_XDECREF(canonical);
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
        PyObject *item = new_info(state, &a, name, i == 0 ? name_len : 0);
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
    PyObject *argv[] = {(PyObject *)loop, PyLong_FromUnsignedLongLong(c->user), answer};
    int rc = argv[1] ? call_method_of(loop->state->names._resolved, argv, 3) : -1;
    Py_XDECREF(argv[1]);
    Py_DECREF(answer);
    return rc;
}

/* ---- queries ---- */

/* As a tuple: an answer that holds for now. */
static PyObject *steal_tuple(PyObject *answer) {
    PyObject *tuple = answer ? PySequence_Tuple(answer) : NULL;
    Py_XDECREF(answer);
    return tuple;
}

/* Hands a query over. Returns the answer; its number, when _resolved will bring it; or NULL. */
static PyObject *resolve(LoopObject *loop, gl_query *q) {
    uint64_t number = ++loop->lookups;
    uint8_t room[AT_ONCE];
    q->answer = (uintptr_t)room;
    q->len = sizeof room;
    gl_sqe s = {.op = GL_OP_RESOLVE, .user = number, .ptr = (uintptr_t)q};
    int error = submit_one(loop, &s);
    if (error < 0) return NULL;
    if (error == 0 || error == EALREADY) {
        PyObject *answer = new_answer(loop->state, q->what, room, q->count, q->len);
        return error == 0 ? answer : steal_tuple(answer);
    }
    if (error == EINPROGRESS) return PyLong_FromUnsignedLongLong(number);
    if (error == EAGAIN) Py_RETURN_NOTIMPLEMENTED; /* no thread: asyncio's executor may have one, or says so */
    if (error == ENOMEM) return PyErr_NoMemory();
    return raise_errno(error);
}

/* Of arguments that are wrong only the standard library knows the error. What an audit hook raises is none of them. */
static PyObject *not_ours(void) {
    if (PyErr_ExceptionMatches(PyExc_MemoryError)) return NULL;
    PyErr_Clear();
    Py_RETURN_NOTIMPLEMENTED;
}

/* _getaddrinfo(host, port, family, type, proto, flags, name, service): the answer, a list if the question alone
 * says it, else a tuple; a number when _resolved(number, answer) will bring it; NotImplemented where the standard library's
 * way has to be taken. name and service are for libc; of a port that is a number there is no service. */
PyObject *loop_getaddrinfo(LoopObject *loop, PyObject *args) {
    gl_query q = {.what = GL_ADDRINFO};
    PyObject *host, *port;
    const char *name, *service;
    Py_ssize_t name_len, service_len;
    if (!PyArg_ParseTuple(args, "OOiiiiz#z#", &host, &port, &q.family, &q.type, &q.proto, &q.flags, &name, &name_len, &service,
                          &service_len))
        return not_ours();
    q.host = (uintptr_t)name;
    q.host_len = name_len;
    q.service = (uintptr_t)service;
    q.service_len = service_len;
    if (PyLong_CheckExact(port)) {
        q.service = (uint64_t)PyLong_AsLongLong(port);
        q.service_len = -1;
        if (PyErr_Occurred()) return not_ours();
    }
    if (engine_usable(loop) < 0) return NULL;
    if (loop->debug || loop->in_turn) Py_RETURN_NOTIMPLEMENTED;
    if (PySys_Audit("socket.getaddrinfo", "OOiii", host, port, q.family, q.type, q.proto) < 0) return NULL;
    return resolve(loop, &q);
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

/* ---- literals ---- */

/* What names.py keeps of each: what was asked, and the answer. */
enum { ASKED = 6 };

/* Of an exact str or int, for others may compare as they like. */
static bool is_same(PyObject *a, PyObject *b) {
    bool compares = Py_TYPE(a) == Py_TYPE(b) && (PyUnicode_CheckExact(a) || PyLong_CheckExact(a));
    return a == b || (compares && PyObject_RichCompareBool(a, b, Py_EQ) == 1);
}

static bool answers(PyObject *kept, PyObject *const *asked) {
    int i = 0;
    while (i < ASKED && is_same(PyTuple_GET_ITEM(kept, i), asked[i])) i++;
    return i == ASKED;
}

/* _recall(host, port, family, type, proto, flags): what was answered lately without a lookup, a list of the caller's own; or None. */
PyObject *loop_recall(LoopObject *loop, PyObject *const *args, Py_ssize_t n) {
    if (check_number("_recall(host, port, family, type, proto, flags)", n, ASKED) < 0 || engine_usable(loop) < 0) return NULL;
    Py_ssize_t i = 0, most = !loop->debug && !loop->in_turn ? PyTuple_GET_SIZE(loop->literals) : 0;
    while (i < most && !answers(PyTuple_GET_ITEM(loop->literals, i), args)) i++;
    if (i == most) Py_RETURN_NONE;
    PyObject *addresses = Py_NewRef(PyTuple_GET_ITEM(PyTuple_GET_ITEM(loop->literals, i), ASKED)), *result = NULL;
    long family = PyLong_AsLong(args[2]), type = PyLong_AsLong(args[3]), proto = PyLong_AsLong(args[4]);
    if (!PyErr_Occurred() && PySys_Audit("socket.getaddrinfo", "OOlll", args[0], args[1], family, type, proto) == 0)
        result = PyList_GetSlice(addresses, 0, PyList_GET_SIZE(addresses));
    Py_DECREF(addresses);
    return result;
}

PyObject *loop_keep_literals(LoopObject *loop, PyObject *literals) {
    Py_XSETREF(loop->literals, Py_NewRef(literals));
    Py_RETURN_NONE;
}
