/* asyncio.Server has a WeakSet of its transports: for each a weak reference, a place in a hash table of which most is
 * empty, and a dozen calls of Python. Here a stream stands in an array, knows its place, and leaves it when it goes.
 * goloop/clients.py makes a WeakSet of it. Only where there is a GIL: else another thread may be about to free it. */
#include "attached.h"

typedef struct AttachedObject {
    PyObject_HEAD
    TransportObject **members; /* borrowed */
    uint32_t len, cap;
} AttachedObject;

void attached_drop(TransportObject *t) {
    AttachedObject *a = t->attached_to;
    if (!a) return;
    t->attached_to = NULL;
    TransportObject *last = a->members[--a->len];
    a->members[last->attached_at = t->attached_at] = last;
    if (a->len) return;
    PyMem_Free(a->members);
    a->members = NULL;
    a->cap = 0;
}

/* add(transport) -> bool: False for what is none of ours, or in another set. */
static PyObject *attached_add(AttachedObject *a, PyObject *o) {
    if (!Py_IS_TYPE(o, state_of_type(Py_TYPE(a))->types.Stream)) Py_RETURN_FALSE;
    TransportObject *t = TRANSPORT(o);
    if (t->attached_to) return PyBool_FromLong(t->attached_to == a);
    if (a->len == a->cap) {
        uint32_t cap = a->cap + a->cap / 4 + 8;
        TransportObject **members = PyMem_Realloc(a->members, cap * sizeof *members);
        if (!members) return PyErr_NoMemory();
        a->members = members;
        a->cap = cap;
    }
    a->members[t->attached_at = a->len++] = t;
    t->attached_to = a;
    Py_RETURN_TRUE;
}

/* discard(transport) -> bool: whether it was in it. */
static PyObject *attached_discard(AttachedObject *a, PyObject *o) {
    if (!Py_IS_TYPE(o, state_of_type(Py_TYPE(a))->types.Stream) || TRANSPORT(o)->attached_to != a) Py_RETURN_FALSE;
    attached_drop(TRANSPORT(o));
    Py_RETURN_TRUE;
}

/* members() -> list */
static PyObject *attached_members(AttachedObject *a, PyObject *ignored) {
    (void)ignored;
    PyObject *list = PyList_New(0); /* the collector may make some go */
    for (uint32_t i = 0; list && i < a->len; i++)
        if (PyList_Append(list, (PyObject *)a->members[i]) < 0) Py_CLEAR(list);
    return list;
}

static Py_ssize_t attached_len(AttachedObject *a) { return a->len; }

static void attached_dealloc(AttachedObject *a) {
    PyTypeObject *type = Py_TYPE(a);
    while (a->len) attached_drop(a->members[a->len - 1]);
    type->tp_free(a);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {METHOD("add", attached_add, METH_O, NULL),
                                METHOD("discard", attached_discard, METH_O, NULL),
                                METHOD("members", attached_members, METH_NOARGS, NULL),
                                {0}};
static PyType_Slot slots[] = {{Py_tp_dealloc, attached_dealloc}, {Py_tp_methods, methods}, {Py_sq_length, attached_len}, {0, NULL}};
static PyType_Spec spec = {"goloop._core._Attached", sizeof(AttachedObject), 0, Py_TPFLAGS_DEFAULT, slots};

int attached_setup(PyObject *module) {
    PyTypeObject *type = new_type(module, &spec, NULL);
    Py_XDECREF(type);
    return type ? 0 : -1;
}
