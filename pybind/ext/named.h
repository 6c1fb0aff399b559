/* The arguments of a method, by their places or by their names. */
#ifndef GOLOOP_NAMED_H
#define GOLOOP_NAMED_H

#include "base.h"

/* Into out, one for each of the names, NULL: not given; the first of them is required. All are borrowed. Raises TypeError in
 * CPython's words. */
int take_named(PyObject *self, const char *method, const char *const *names, Py_ssize_t most, PyObject *const *args,
               Py_ssize_t n, PyObject *kwnames, PyObject **out);

/* The only argument of a method; NULL with TypeError. Borrows. */
static inline PyObject *borrow_argument(PyObject *self, const char *method, const char *name, PyObject *const *args,
                                        Py_ssize_t n, PyObject *kwnames) {
    PyObject *argument;
    if (n == 1 && !kwnames) return args[0];
    return take_named(self, method, &name, 1, args, n, kwnames, &argument) < 0 ? NULL : argument;
}

/* Of what only our own Python calls: as many as usage has, or TypeError. */
int check_number(const char *usage, Py_ssize_t n, Py_ssize_t wanted);

#endif
