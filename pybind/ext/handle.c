/* What all handles do: they fill the slots of asyncio's own, and are run. repr, comparison,
 * get_context and the rest are asyncio's. */
#include "handle.h"

#include <stddef.h>

#include "errors.h"
#include "snapshot.h"

HOT static inline PyObject *alloc(PyTypeObject *type, FreeList *list) {
#ifndef Py_GIL_DISABLED
    if (list->n) {
        PyObject *h = list->first;
        list->first = ((HandleObject *)h)->args;
        list->n--;
        ((HandleObject *)h)->args = NULL;
        PyObject_Init(h, type);
        PyObject_GC_Track(h);
        return h;
    }
#endif
    (void)list;
    return type->tp_alloc(type, 0);
}

bool handles_keep(State *state, int most) {
    bool more = false;
    for (int i = 0; i < FREE_LISTS; i++) {
        FreeList *list = &state->free[i];
        for (; list->n > most; list->n--, more = true) {
            PyObject *h = list->first;
            list->first = ((HandleObject *)h)->args;
            PyObject_GC_Del(h);
        }
    }
    return more;
}

/* The common slots of a handle whose memory is zeroed. */
HOT static inline int fill(HandleObject *h, LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                           PyObject *context) {
    HandleTail *tail = handle_tail((PyObject *)h);
    tail->state = loop->state;
    if (!context && snapshot_is_worth_it(loop))
        tail->snapshot = new_snapshot(loop);
    else
        h->context = context ? Py_NewRef(context) : PyContext_CopyCurrent();
    if (!h->context && !tail->snapshot) return -1;
    h->args = PyTuple_New(n);
    if (!h->args) return -1;
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(h->args, i, Py_NewRef(args[i]));
    h->callback = Py_NewRef(callback);
    h->cancelled = Py_NewRef(Py_False);
    h->loop = Py_NewRef((PyObject *)loop);
    h->repr = Py_NewRef(Py_None);
    h->source_traceback = loop->debug ? PyObject_CallNoArgs(loop->state->imports.extract_stack) : Py_NewRef(Py_None);
    return h->source_traceback ? 0 : -1;
}

HOT PyObject *new_handle_as(PyTypeObject *type, int kind, LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                            PyObject *context) {
    PyObject *h = alloc(type, &loop->state->free[kind]);
    if (h && fill((HandleObject *)h, loop, callback, args, n, context) < 0) Py_CLEAR(h);
    return h;
}

HOT PyObject *new_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n, PyObject *context) {
    return new_handle_as(loop->state->types.Handle, FREE_HANDLES, loop, callback, args, n, context);
}

/* What it refers to; cancelled is a bool. */
#define REFERENCES(X) \
    X(h->args) X(h->callback) X(h->context) X(handle_tail(self)->snapshot) X(h->loop) X(h->repr) X(h->source_traceback)

int handle_traverse(PyObject *self, visitproc visit, void *arg) {
    HandleObject *h = (HandleObject *)self;
    Py_VISIT(Py_TYPE(self));
#define X(place) Py_VISIT(place);
    REFERENCES(X)
#undef X
    return 0;
}

HOT int handle_clear(PyObject *self) {
    HandleObject *h = (HandleObject *)self;
    Py_CLEAR(h->cancelled);
#define X(place) Py_CLEAR(place);
    REFERENCES(X)
#undef X
    return 0;
}

HOT static void handle_dealloc(PyObject *self) {
    handle_dealloc_as(self, ((HandleObject *)self)->tail.state, handle_clear, FREE_HANDLES);
}

LoopObject *new_loop_of(State *state, PyObject *self) {
    PyObject *loop;
    Py_BEGIN_CRITICAL_SECTION(self);
    loop = Py_XNewRef(((HandleObject *)self)->loop);
    Py_END_CRITICAL_SECTION();
    if (loop && !(state && PyObject_TypeCheck(loop, state->types.Loop))) Py_CLEAR(loop);
    return (LoopObject *)loop;
}

/* cancel() of all: asyncio's, with the loop's debug flag read directly. */
int handle_cancel_fields(PyObject *self, LoopObject *loop) {
    HandleObject *h = (HandleObject *)self;
    PyObject *repr = NULL, *callback, *args;
    Py_BEGIN_CRITICAL_SECTION(self);
    Py_XSETREF(h->cancelled, Py_NewRef(Py_True));
    Py_END_CRITICAL_SECTION();
    if (loop && loop->debug && !(repr = PyObject_Repr(self))) return -1;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (repr) Py_XSETREF(h->repr, repr);
    callback = h->callback;
    args = h->args;
    h->callback = Py_NewRef(Py_None);
    h->args = Py_NewRef(Py_None);
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(callback);
    Py_XDECREF(args);
    return 0;
}

PyObject *handle_cancel(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (handle_is_cancelled(self)) Py_RETURN_NONE;
    LoopObject *loop = new_loop_of(state_of_type(Py_TYPE(self)), self);
    int rc = handle_cancel_fields(self, loop);
    Py_XDECREF(loop);
    return none_or_null(rc);
}

/* ---- _context ---- */

/* NULL without an exception: it has none. */
static PyObject *new_context(PyObject *self) {
    HandleObject *h = (HandleObject *)self;
    PyObject *context;
    Py_BEGIN_CRITICAL_SECTION(self);
    PyObject *snapshot = handle_tail(self)->snapshot;
    if (!h->context && snapshot) {
        handle_tail(self)->snapshot = NULL;
        h->context = steal_context(snapshot);
    }
    context = Py_XNewRef(h->context);
    Py_END_CRITICAL_SECTION();
    return context;
}

static PyObject *get_context(PyObject *self, void *ignored) {
    (void)ignored;
    PyObject *context = new_context(self);
    if (!context && !PyErr_Occurred()) PyErr_SetString(PyExc_AttributeError, "_context");
    return context;
}

static int set_context(PyObject *self, PyObject *value, void *ignored) {
    (void)ignored;
    PyObject *old, *snapshot;
    Py_BEGIN_CRITICAL_SECTION(self);
    snapshot = handle_tail(self)->snapshot;
    handle_tail(self)->snapshot = NULL;
    old = ((HandleObject *)self)->context;
    ((HandleObject *)self)->context = Py_XNewRef(value);
    Py_END_CRITICAL_SECTION();
    if (!value && !old && !snapshot) return raise_text(PyExc_AttributeError, "_context");
    Py_XDECREF(snapshot);
    Py_XDECREF(old);
    return 0;
}

PyGetSetDef handle_getset[] = {{"_context", get_context, set_context, NULL, NULL}, {0}};

static bool is_ours(State *state, PyObject *handle) {
    const Types *types = &state->types;
    return Py_IS_TYPE(handle, types->Handle) || Py_IS_TYPE(handle, types->TimerHandle) ||
           Py_IS_TYPE(handle, types->ThreadSafeHandle);
}

/* The context of a handle of which nobody has asked for it. snapshot: a new reference to what it is lent for, or NULL. */
static PyObject *new_context_to_run(LoopObject *loop, PyObject *self, PyObject **snapshot) {
    PyObject *context = NULL;
    if (is_ours(loop->state, self)) {
        PyObject *own = handle_tail(self)->snapshot;
        if (own && Py_REFCNT(own) > 1 && Py_REFCNT(self) == 1) return new_lent_context(loop, *snapshot = Py_NewRef(own));
        if (loop->lent) Py_CLEAR(loop->lent);
        context = new_context(self);
    }
    if (!context && !PyErr_Occurred()) PyErr_SetString(PyExc_AttributeError, "_context");
    return context;
}

/* A handle that a program has made may have any iterable for its arguments; run_callback wants a tuple. */
int check_handle(State *state, PyObject *handle) {
    if (!PyObject_TypeCheck(handle, state->types.AsyncioHandle))
        return steal_result(PyErr_Format(PyExc_TypeError, "A Handle is required here, not %.100s", Py_TYPE(handle)->tp_name));
    HandleObject *h = (HandleObject *)handle;
    if (handle_is_cancelled(handle) || PyTuple_Check(h->args)) return 0;
    PyObject *args = PySequence_Tuple(h->args);
    if (!args) return -1;
    Py_SETREF(h->args, args);
    return 0;
}

/* Says that a callback raised; exits go up. Steals the exception. */
static int failed(LoopObject *loop, PyObject *handle, PyObject *exception) {
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    PyObject *argv[3] = {(PyObject *)loop, handle, exception};
    int rc = call_method_of(loop->state->names._handle_failed, argv, 3);
    Py_DECREF(exception);
    return rc;
}

int callback_failed(LoopObject *loop, PyObject *exception, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                    PyObject *context) {
    PyObject *handle = callback ? new_handle(loop, callback, args, n, context) : NULL;
    if (!handle) {
        Py_DECREF(exception);
        return -1;
    }
    int rc = failed(loop, handle, exception);
    Py_DECREF(handle);
    return rc;
}

/* For a context that cannot be entered, which it takes: what a transport has scheduled, as its connection_lost, runs in a copy where
 * a callback of it is inside, for a nested run would lose it. NULL with an exception. */
static __attribute__((noinline, cold)) PyObject *new_copy_entered(LoopObject *loop, PyObject *callback, PyObject *context) {
    PyObject *owner = PyMethod_Check(callback) ? PyMethod_GET_SELF(callback) : NULL, *copy = NULL;
    if (owner && PyObject_TypeCheck(owner, loop->state->types.Transport)) {
        PyErr_Clear();
        copy = PyContext_Copy(context);
        if (copy && PyContext_Enter(copy) < 0) Py_CLEAR(copy);
    }
    Py_DECREF(context);
    return copy;
}

HOT int run_callback(LoopObject *loop, PyObject *self) {
    HandleObject *h = (HandleObject *)self;
    if (loop->debug) {
        if (handle_is_cancelled(self)) return 0;
        return steal_result(PyObject_CallMethodOneArg((PyObject *)loop, loop->state->names._run_handle_in_debug, self));
    }
    /* The callback may cancel its own handle: keep what it uses. */
    PyObject *callback = NULL, *args = NULL, *context = NULL, *result = NULL, *snapshot = NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (!handle_is_cancelled(self)) {
        callback = Py_NewRef(h->callback);
        args = Py_NewRef(h->args);
        context = Py_XNewRef(h->context);
    }
    Py_END_CRITICAL_SECTION();
    if (!callback) return 0;
    if (!context) context = new_context_to_run(loop, self, &snapshot);
    if (context && PyContext_Enter(context) < 0) context = new_copy_entered(loop, callback, context);
    if (context) {
        result = PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(args, 0), (size_t)PyTuple_GET_SIZE(args), NULL);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
    }
    int rc = 0;
    if (result) {
        Py_DECREF(result);
    } else {
        if (snapshot) Py_XSETREF(h->context, Py_XNewRef(context)); /* the exception handler sees the handle */
        rc = failed(loop, self, PyErr_GetRaisedException());
    }
    Py_DECREF(callback);
    Py_DECREF(args);
    if (snapshot)
        steal_lent_context(loop, context, snapshot);
    else
        Py_XDECREF(context);
    return rc;
}

static PyMethodDef methods[] = {{"cancel", handle_cancel, METH_NOARGS, CANCEL_DOC}, {0}};

static PyType_Slot slots[] = {{Py_tp_doc, "A callback that call_soon or a descriptor has scheduled; see asyncio.Handle."},
                              {Py_tp_dealloc, handle_dealloc},
                              {Py_tp_traverse, handle_traverse},
                              {Py_tp_clear, handle_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, handle_getset},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core.Handle", sizeof(HandleObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

int handle_setup(PyObject *module) {
#define PLACE(field) {"_" #field, offsetof(HandleObject, field)}
    static const Place places[] = {PLACE(args), PLACE(callback), PLACE(cancelled), PLACE(context), PLACE(loop), PLACE(repr),
                                   PLACE(source_traceback), {NULL, offsetof(HandleObject, tail)}};
#undef PLACE
    Types *types = &state_of(module)->types;
    if (!(types->Handle = new_type_over(module, &spec, "asyncio.events", "Handle", places))) return -1;
    types->AsyncioHandle = (PyTypeObject *)Py_NewRef((PyObject *)types->Handle->tp_base);
    return 0;
}
