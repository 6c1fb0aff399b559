/* Two contexts have the same values when they have the same map of values, which never changes: setting a variable
 * gives a context another map. CPython does not tell the map, so it is read where a context has it; when
 * the import finds it elsewhere, or where there is no GIL, each callback has its copy at once. */
#include "snapshot.h"

#include <stddef.h>

typedef struct {
    PyObject_HEAD
    PyObject *previous;
    PyObject *values;
} ContextHead;

static PyObject *values_of(PyObject *context) { return ((ContextHead *)context)->values; }

PyObject *new_snapshot(LoopObject *loop) {
    PyObject *current = loop->snapshot ? PyThreadState_Get()->context : NULL; /* NULL too: the thread has not asked for one */
    if (!current || values_of(current) != values_of(loop->snapshot)) {
        PyObject *copy = PyContext_CopyCurrent();
        if (!copy) return NULL;
        Py_XSETREF(loop->snapshot, copy);
    }
    return Py_NewRef(loop->snapshot);
}

PyObject *steal_context(PyObject *snapshot) {
    if (Py_REFCNT(snapshot) == 1) return snapshot;
    PyObject *copy = PyContext_Copy(snapshot);
    Py_DECREF(snapshot);
    return copy;
}

PyObject *new_lent_context(LoopObject *loop, PyObject *snapshot) {
    PyObject *lent = loop->lent; /* with another reference it is entered, or somebody has kept it */
    if (lent && Py_REFCNT(lent) == 1 && values_of(lent) == values_of(snapshot)) return Py_NewRef(lent);
    if (!(lent = PyContext_Copy(snapshot))) return NULL;
    Py_XSETREF(loop->lent, lent);
    return Py_NewRef(lent);
}

void steal_lent_context(LoopObject *loop, PyObject *context, PyObject *snapshot) {
    if (context && loop->lent == context && values_of(context) != values_of(snapshot)) Py_CLEAR(loop->lent);
    Py_XDECREF(context);
    Py_DECREF(snapshot);
}

/* Whether a context's map is where values_of looks: copies have the same, until one of them sets a variable. */
static int finds_values(PyObject *context, PyObject *variable) {
    PyObject *copy = PyContext_Copy(context), *later = NULL, *set = PyObject_GetAttrString(variable, "set");
    PyObject *token = copy && set ? PyObject_CallMethod(context, "run", "OO", set, Py_None) : NULL;
    if (token) later = PyContext_Copy(context);
    int rc = -1;
    if (later) rc = values_of(copy) && values_of(copy) != values_of(context) && values_of(later) == values_of(context);
    Py_XDECREF(later);
    Py_XDECREF(token);
    Py_XDECREF(set);
    Py_XDECREF(copy);
    return rc;
}

int snapshot_setup(PyObject *module) {
    int rc = 0;
#ifndef Py_GIL_DISABLED
    PyObject *context = PyContext_New(), *variable = context ? PyContextVar_New("goloop", NULL) : NULL;
    if (!variable)
        rc = -1;
    else if (Py_TYPE(context)->tp_basicsize >= (Py_ssize_t)sizeof(ContextHead))
        rc = finds_values(context, variable);
    Py_XDECREF(variable);
    Py_XDECREF(context);
#endif
    state_of(module)->shares_contexts = rc > 0;
    return rc < 0 ? -1 : 0;
}
