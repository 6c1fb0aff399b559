/* The arguments of call_soon, call_later, add_reader and their kin. */
#include "call.h"

#include "errors.h"

static int missing(const char *method, const char *first, bool has_first, bool has_callback) {
    if (!has_first && !has_callback)
        PyErr_Format(PyExc_TypeError, "%s() missing 2 required positional arguments: '%s' and 'callback'", method, first);
    else
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", method,
                     has_first ? "callback" : first);
    return -1;
}

int take_call_slowly(Call *c, const char *method, const char *first, PyObject *kwnames) {
    const char *const wanted[] = {first, "callback"};
    const Py_ssize_t from = first ? 0 : 1; /* of wanted and of room */
    c->room[0] = c->room[1] = NULL;
    bool by_name = false;
    Py_ssize_t k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < k; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i), *value = c->args[c->n + i];
        if (PyUnicode_CompareWithASCIIString(name, "context") == 0) {
            if (value != Py_None) c->context = value;
            continue;
        }
        Py_ssize_t place = from;
        while (place < 2 && PyUnicode_CompareWithASCIIString(name, wanted[place]) != 0) place++;
        if (place == 2 || place - from < c->n) {
            PyErr_Format(PyExc_TypeError, place == 2 ? "%s() got an unexpected keyword argument '%U'"
                                                     : "%s() got multiple values for argument '%U'", method, name);
            return -1;
        }
        c->room[place] = value;
        by_name = true;
    }
    for (Py_ssize_t i = 0; from + i < 2 && i < c->n; i++) c->room[from + i] = c->args[i];
    if ((first && !c->room[0]) || !c->room[1]) return missing(method, first, !first || c->room[0], c->room[1]);
    if (by_name) {
        c->args = c->room + from;
        c->n = 2 - from;
    }
    return 0;
}

int debug_checks(LoopObject *loop, PyObject *callback, const char *method, bool thread) {
    if (thread && steal_result(PyObject_CallMethod((PyObject *)loop, "_check_thread", NULL)) < 0) return -1;
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_check_callback", "Os", callback, method));
}
