/* The arguments of call_soon, call_later, add_reader and their kin. */
#include "call.h"

#include "named.h"

int take_call_slowly(Call *c, const char *method, const char *first, PyObject *kwnames) {
    const char *const names[] = {first, "callback", "context"}, *const *wanted = first ? names : names + 1;
    const Py_ssize_t required = first ? 2 : 1;
    PyObject *given[3];
    if (take_arguments(method, wanted, required, required, required + 1, c->args, c->n, kwnames, given) < 0) return -1;
    if (given[required] != Py_None) c->context = given[required];
    if (c->n >= required) return 0;
    memcpy(c->room, given, (size_t)required * sizeof *given);
    c->args = c->room;
    c->n = required;
    return 0;
}

int debug_checks(LoopObject *loop, PyObject *callback, const char *method, bool thread) {
    if (thread && steal_result(PyObject_CallMethod((PyObject *)loop, "_check_thread", NULL)) < 0) return -1;
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_check_callback", "Os", callback, method));
}
