/* What every file of the extension begins with: CPython, the boundary with the engine, and the
 * objects' names. */
#ifndef GOLOOP_BASE_H
#define GOLOOP_BASE_H

#include "compat.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "abi.h"

typedef struct State State;
typedef struct LoopObject LoopObject;
typedef struct TransportObject TransportObject;

static inline int64_t monotonic_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline PyObject *none_or_null(int rc) {
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

/* -1, with an exception. */
static inline int raise_text(PyObject *type, const char *text) {
    PyErr_SetString(type, text);
    return -1;
}
static inline int no_memory(void) { return PyErr_NoMemory() ? 0 : -1; }

/* Drops the result of a call: -1 for the NULL that PyErr_Format gives, too. */
static inline int steal_result(PyObject *r) {
    Py_XDECREF(r);
    return r ? 0 : -1;
}
/* Calls argv[0].name(...) of n, itself included. */
static inline int call_method_of(PyObject *name, PyObject *const *argv, size_t n) {
    return steal_result(PyObject_VectorcallMethod(name, argv, n, NULL));
}
/* Calls o.name() or o.name(arg). */
static inline int call_method_drop(PyObject *o, PyObject *name, PyObject *arg) {
    PyObject *argv[2] = {o, arg};
    return call_method_of(name, argv, arg ? 2 : 1);
}

/* o.name, or NULL without an exception. */
static inline PyObject *new_attribute(PyObject *o, PyObject *name) {
    PyObject *value = PyObject_GetAttr(o, name);
    if (!value) PyErr_Clear();
    return value;
}
/* Whether o.name is this very object. */
static inline bool attribute_is(PyObject *o, PyObject *name, PyObject *expected) {
    PyObject *value = new_attribute(o, name);
    Py_XDECREF(value);
    return value && value == expected;
}

/* Entries of the tables of methods, of functions with any first argument. */
#define METHOD(name, f, flags, doc) {name, (PyCFunction)(void (*)(void))(f), flags, doc}

/* What a chain of callbacks runs through lies together, wherever the linker puts the rest. */
#define HOT __attribute__((hot))

#endif
