#include "named.h"

static int missing(const char *method, const char *const *names, bool both) {
    const char *text = both ? "%s() missing 2 required positional arguments: '%s' and '%s'"
                            : "%s() missing 1 required positional argument: '%s'";
    return steal_result(PyErr_Format(PyExc_TypeError, text, method, names[0], both ? names[1] : NULL));
}

int take_arguments(const char *method, const char *const *names, Py_ssize_t required, Py_ssize_t placed, Py_ssize_t most,
                   PyObject *const *args, Py_ssize_t n, PyObject *kwnames, PyObject **out) {
    for (Py_ssize_t i = 0; i < most; i++) out[i] = i < n && i < placed ? args[i] : NULL;
    for (Py_ssize_t i = 0; i < (kwnames ? PyTuple_GET_SIZE(kwnames) : 0); i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        Py_ssize_t place = 0;
        while (place < most && PyUnicode_CompareWithASCIIString(keyword, names[place]) != 0) place++;
        const char *text = place == most ? "%s() got an unexpected keyword argument '%U'"
                                         : "%s() got multiple values for argument '%U'";
        if (place == most || out[place]) return steal_result(PyErr_Format(PyExc_TypeError, text, method, keyword));
        out[place] = args[n + i];
    }
    for (Py_ssize_t i = 0; i < required; i++)
        if (!out[i]) return missing(method, names + i, i + 1 < required && !out[i + 1]);
    return 0;
}

int take_named_slowly(PyObject *self, const char *method, const char *const *names, Py_ssize_t most, PyObject *const *args,
                      Py_ssize_t n, PyObject *kwnames, PyObject **out) {
    char full[128];
    const char *type = strrchr(Py_TYPE(self)->tp_name, '.');
    PyOS_snprintf(full, sizeof full, "%s.%s", type ? type + 1 : Py_TYPE(self)->tp_name, method);
    if (take_arguments(full, names, n > most ? 0 : 1, most, most, args, n, kwnames, out) < 0) return -1;
    if (n <= most) return 0;
    const char *text = most == 1 ? "%s() takes %zd positional arguments but %zd were given"
                                 : "%s() takes from 2 to %zd positional arguments but %zd were given";
    return steal_result(PyErr_Format(PyExc_TypeError, text, full, most + 1, n + 1));
}

PyObject *borrow_named(PyObject *self, const char *method, const char *name, PyObject *const *args, Py_ssize_t n,
                       PyObject *kwnames) {
    PyObject *argument;
    return take_named_slowly(self, method, &name, 1, args, n, kwnames, &argument) < 0 ? NULL : argument;
}

int check_number(const char *usage, Py_ssize_t n, Py_ssize_t wanted) {
    if (n == wanted) return 0;
    return raise_text(PyExc_TypeError, usage);
}
