/* Which calls of the extension find no memory. Called through ctypes, with the GIL. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

PyTypeObject starved_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "starved", .tp_basicsize = PY_SSIZE_T_MAX / 2 + 64};

static long count, first, last; /* last 0: none fails */
static char misused[200];       /* the first call with an exception set */
static char failed[200];        /* the first call that failed */

static int fails(const char *call, const char *file, int line) {
    if (!last) return 0;
    if (PyErr_Occurred() && !*misused) {
        PyObject *type = PyErr_Occurred();
        snprintf(misused, sizeof misused, "%s:%d: %s with %s set", file, line, call, ((PyTypeObject *)type)->tp_name);
    }
    count++;
    if (count < first || count > last) return 0;
    if (!*failed) snprintf(failed, sizeof failed, "%s:%d: %s", file, line, call);
    return 1;
}

int starved_quietly(const char *call, const char *file, int line) { return fails(call, file, line); }

int starved(const char *call, const char *file, int line) {
    if (!fails(call, file, line)) return 0;
    PyErr_NoMemory();
    return 1;
}

int no_larger(PyObject **bytes) {
    Py_CLEAR(*bytes);
    return -1;
}

/* From now on the calls number from to until fail. */
EXPORT void starve(long from, long until) {
    count = 0;
    first = from;
    last = until;
    *misused = *failed = 0;
}

/* No call fails any more; how many there were. */
EXPORT long feed(void) {
    last = 0;
    return count;
}

EXPORT const char *misuse(void) { return misused; }
EXPORT const char *failure(void) { return failed; }
