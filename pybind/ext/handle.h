/* Handle, a subclass of asyncio.Handle: a callback that is scheduled. */
#ifndef GOLOOP_HANDLE_H
#define GOLOOP_HANDLE_H

#include "loop.h"

/* asyncio.Handle and asyncio.TimerHandle as CPython lays out their slots: in
 * alphabetical order, the weak references last where they are a slot at all.
 * handle.c checks it at import. Any thread may cancel: what cancel() replaces is read and
 * written in the handle's own critical section. */
#define HANDLE_FIELDS                                                                              \
    PyObject_HEAD PyObject *args, *callback, *cancelled, *context, *loop, *repr, *source_traceback;
#if PY_VERSION_HEX < 0x030C0000
#define HANDLE_WEAK PyObject *weakrefs;
#else
#define HANDLE_WEAK
#endif

/* With which each of our handles ends. */
typedef struct HandleTail {
    State *state;       /* NULL: of a program's own making */
    PyObject *snapshot; /* of which its context is made when somebody wants it; _context is NULL until then */
    PyObject *next;     /* inbox.c: the one that came before, while it waits there */
} HandleTail;

typedef struct HandleObject {
    HANDLE_FIELDS
    HANDLE_WEAK
    HandleTail tail;
} HandleObject;

static inline HandleTail *handle_tail(PyObject *handle) {
    return (HandleTail *)((char *)handle + Py_TYPE(handle)->tp_basicsize) - 1;
}

int handle_setup(PyObject *module);
PyObject *new_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n, PyObject *context);

static inline bool handle_is_cancelled(PyObject *h) { return ((HandleObject *)h)->cancelled == Py_True; }
int check_handle(State *state, PyObject *handle); /* that a program gives: TypeError */
int run_callback(LoopObject *loop, PyObject *handle); /* unless it is cancelled; -1: leave the loop with the exception set */
/* A callback of ours raised: said as of a handle that ran it. Steals the exception; callback: NULL is an error of its own. */
int callback_failed(LoopObject *loop, PyObject *exception, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                    PyObject *context);

/* For the kinds of handles. */
PyObject *new_handle_as(PyTypeObject *type, int kind, LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                        PyObject *context); /* kind: FREE_* */
enum { MOST_FREE = 1 << 14, FEW_FREE = 2048 }; /* of each type: in a busy process, and after its crowds */
/* tp_dealloc of one kind. state: of its tail; its list is not used while the type is being collected. */
static inline void handle_dealloc_as(PyObject *self, State *state, inquiry clear, int kind) {
    PyTypeObject *type = Py_TYPE(self);
    FreeList *list = state ? &state->free[kind] : NULL;
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    clear(self);
#ifndef Py_GIL_DISABLED
    if (list && ((PyHeapTypeObject *)type)->ht_module && list->n < MOST_FREE) {
        ((HandleObject *)self)->args = list->first;
        list->first = self;
        list->n++;
    } else
#endif
        type->tp_free(self);
    (void)list;
    Py_DECREF(type);
}
bool handles_keep(State *state, int most); /* of the freed ones of each type; whether there were more. None before their types go */
extern PyGetSetDef handle_getset[]; /* _context */
int handle_traverse(PyObject *handle, visitproc visit, void *arg);
int handle_clear(PyObject *handle);
int handle_cancel_fields(PyObject *handle, LoopObject *loop); /* loop: its own, or NULL */
PyObject *handle_cancel(PyObject *handle, PyObject *ignored); /* finds its loop */
#define CANCEL_DOC "cancel($self, /)\n--\n\nCancel the callback. A second call, or one after it has run, does nothing."
LoopObject *new_loop_of(State *state, PyObject *handle); /* NULL when its loop is none of ours */

#endif
