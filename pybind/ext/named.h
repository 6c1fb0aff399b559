/* The arguments of a method, by their places or by their names. */
#ifndef GOLOOP_NAMED_H
#define GOLOOP_NAMED_H

#include "base.h"

int take_named_slowly(PyObject *self, const char *method, const char *const *names, Py_ssize_t most, PyObject *const *args,
                      Py_ssize_t n, PyObject *kwnames, PyObject **out);
/* Into out, one for each of the names, NULL: not given; the first of them is required. All are borrowed. Raises TypeError in
 * CPython's words. */
static inline int take_named(PyObject *self, const char *method, const char *const *names, Py_ssize_t most,
                             PyObject *const *args, Py_ssize_t n, PyObject *kwnames, PyObject **out) {
    if (kwnames || n < 1 || n > most) return take_named_slowly(self, method, names, most, args, n, kwnames, out);
    for (Py_ssize_t i = 0; i < most; i++) out[i] = i < n ? args[i] : NULL;
    return 0;
}

/* The only argument of a method; NULL with TypeError. Borrows. */
PyObject *borrow_named(PyObject *self, const char *method, const char *name, PyObject *const *args, Py_ssize_t n,
                       PyObject *kwnames);
static inline PyObject *borrow_argument(PyObject *self, const char *method, const char *name, PyObject *const *args,
                                        Py_ssize_t n, PyObject *kwnames) {
    return n == 1 && !kwnames ? args[0] : borrow_named(self, method, name, args, n, kwnames);
}

/* The same of a function of that name, of whose arguments so many are required, and so many may be given by their places; what
 * stands behind these is not looked at. */
int take_arguments(const char *method, const char *const *names, Py_ssize_t required, Py_ssize_t placed, Py_ssize_t most,
                   PyObject *const *args, Py_ssize_t n, PyObject *kwnames, PyObject **out);

/* Of what only our own Python calls: as many as usage has, or TypeError. */
int check_number(const char *usage, Py_ssize_t n, Py_ssize_t wanted);

#endif
