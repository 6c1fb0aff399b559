/* What a scheduling method was called with, as asyncio's signature (first, callback, *args, context=None) has it. */
#ifndef GOLOOP_CALL_H
#define GOLOOP_CALL_H

#include "loop.h"

/* All borrowed. */
typedef struct {
    PyObject *const *args; /* from the first on */
    Py_ssize_t n;
    PyObject *context; /* NULL: None */
    PyObject *room[2]; /* args, where one of them came by its name */
} Call;
int take_call_slowly(Call *c, const char *method, const char *first, PyObject *kwnames);
/* first: what stands before the callback, or NULL. Raises TypeError as the method called so would. */
static inline int take_call(Call *c, const char *method, const char *first, PyObject *const *args, Py_ssize_t n,
                            PyObject *kwnames) {
    c->args = args;
    c->n = n;
    c->context = NULL;
    return !kwnames && n > (first ? 1 : 0) ? 0 : take_call_slowly(c, method, first, kwnames);
}

/* Debug mode: the checks of BaseEventLoop.call_soon and its kin, by its own methods. thread: whether it is the loop's. */
int debug_checks(LoopObject *loop, PyObject *callback, const char *method, bool thread);

#endif
