#include "named.h"

int take_named_slowly(PyObject *self, const char *method, const char *const *names, Py_ssize_t most, PyObject *const *args,
                      Py_ssize_t n, PyObject *kwnames, PyObject **out) {
    const char *type = strrchr(Py_TYPE(self)->tp_name, '.');
    type = type ? type + 1 : Py_TYPE(self)->tp_name;
    for (Py_ssize_t i = 0; i < most; i++) out[i] = i < n ? args[i] : NULL;
    for (Py_ssize_t i = 0; i < (kwnames ? PyTuple_GET_SIZE(kwnames) : 0); i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        Py_ssize_t place = 0;
        while (place < most && PyUnicode_CompareWithASCIIString(keyword, names[place]) != 0) place++;
        if (place == most || out[place]) {
            PyErr_Format(PyExc_TypeError, place == most ? "%s.%s() got an unexpected keyword argument '%U'"
                                                        : "%s.%s() got multiple values for argument '%U'", type, method, keyword);
            return -1;
        }
        out[place] = args[n + i];
    }
    if (n <= most && out[0]) return 0;
    if (n <= most)
        PyErr_Format(PyExc_TypeError, "%s.%s() missing 1 required positional argument: '%s'", type, method, names[0]);
    else
        PyErr_Format(PyExc_TypeError, most == 1 ? "%s.%s() takes %zd positional arguments but %zd were given"
                                                : "%s.%s() takes from 2 to %zd positional arguments but %zd were given",
                     type, method, most + 1, n + 1);
    return -1;
}

PyObject *borrow_named(PyObject *self, const char *method, const char *name, PyObject *const *args, Py_ssize_t n,
                       PyObject *kwnames) {
    PyObject *argument;
    return take_named_slowly(self, method, &name, 1, args, n, kwnames, &argument) < 0 ? NULL : argument;
}

int check_number(const char *usage, Py_ssize_t n, Py_ssize_t wanted) {
    if (n == wanted) return 0;
    PyErr_SetString(PyExc_TypeError, usage);
    return -1;
}
