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

/* Entries of the tables of methods, of functions with any first argument. */
#define METHOD(name, f, flags, doc) {name, (PyCFunction)(void (*)(void))(f), flags, doc}

#endif
