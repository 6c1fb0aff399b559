/* Handle and TimerHandle: subclasses of asyncio's own, whose slots we fill and
 * read directly. repr, comparison, get_context and the rest are asyncio's. */
#include "core.h"

#include <structmember.h>

PyTypeObject *Handle_Type, *TimerHandle_Type, *AsyncioHandle_Type;

/* Freed handles are kept for the next call_soon; malloc is a third of its cost. */
#define FREE_MAX 2048
static HandleObject *free_handles[FREE_MAX];
static int free_count;
static TimerHandleObject *free_timers[FREE_MAX];
static int free_timer_count;

static HandleObject *alloc_handle(void) {
    if (free_count) {
        HandleObject *h = free_handles[--free_count];
        PyObject_Init((PyObject *)h, Handle_Type);
        PyObject_GC_Track(h);
        return h;
    }
    return (HandleObject *)Handle_Type->tp_alloc(Handle_Type, 0);
}

static TimerHandleObject *alloc_timer(void) {
    if (free_timer_count) {
        TimerHandleObject *h = free_timers[--free_timer_count];
        PyObject_Init((PyObject *)h, TimerHandle_Type);
        PyObject_GC_Track(h);
        return h;
    }
    return (TimerHandleObject *)TimerHandle_Type->tp_alloc(TimerHandle_Type, 0);
}

/* Fills the common slots of a handle whose memory is zeroed. */
int handle_fill(HandleObject *h, LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                PyObject *context) {
    h->context = context ? Py_NewRef(context) : PyContext_CopyCurrent();
    if (!h->context) return -1;
    h->args = PyTuple_New(n);
    if (!h->args) return -1;
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(h->args, i, Py_NewRef(args[i]));
    h->callback = Py_NewRef(callback);
    h->cancelled = Py_NewRef(Py_False);
    h->loop = Py_NewRef((PyObject *)loop);
    h->repr = Py_NewRef(Py_None);
    h->source_traceback = loop->debug ? PyObject_CallNoArgs(imports.extract_stack) : Py_NewRef(Py_None);
    return h->source_traceback ? 0 : -1;
}

PyObject *new_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n, PyObject *context) {
    HandleObject *h = alloc_handle();
    if (h && handle_fill(h, loop, callback, args, n, context) < 0) Py_CLEAR(h);
    return (PyObject *)h;
}

TimerHandleObject *new_timer_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                                    PyObject *context) {
    TimerHandleObject *h = alloc_timer();
    if (h && handle_fill((HandleObject *)h, loop, callback, args, n, context) < 0) Py_CLEAR(h);
    return h;
}

int handle_traverse(PyObject *self, visitproc visit, void *arg) {
    HandleObject *h = (HandleObject *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(h->args);
    Py_VISIT(h->callback);
    Py_VISIT(h->context);
    Py_VISIT(h->loop);
    Py_VISIT(h->repr);
    Py_VISIT(h->source_traceback);
    return 0;
}

int handle_clear(PyObject *self) {
    HandleObject *h = (HandleObject *)self;
    Py_CLEAR(h->args);
    Py_CLEAR(h->callback);
    Py_CLEAR(h->cancelled);
    Py_CLEAR(h->context);
    Py_CLEAR(h->loop);
    Py_CLEAR(h->repr);
    Py_CLEAR(h->source_traceback);
    return 0;
}

static int timer_clear(PyObject *self) {
    TimerHandleObject *h = (TimerHandleObject *)self;
    Py_CLEAR(h->scheduled);
    Py_CLEAR(h->when);
    return handle_clear(self);
}

static int timer_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((TimerHandleObject *)self)->when);
    return handle_traverse(self, visit, arg);
}

static void handle_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    handle_clear(self);
    if (type == Handle_Type && free_count < FREE_MAX)
        free_handles[free_count++] = (HandleObject *)self;
    else
        type->tp_free(self);
    Py_DECREF(type);
}

static void timer_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    timer_clear(self);
    if (type == TimerHandle_Type && free_timer_count < FREE_MAX)
        free_timers[free_timer_count++] = (TimerHandleObject *)self;
    else
        type->tp_free(self);
    Py_DECREF(type);
}

/* cancel() of all: asyncio's, with the loop's debug flag read directly. */
int handle_cancel_fields(HandleObject *h) {
    LoopObject *loop = (LoopObject *)h->loop;
    Py_XSETREF(h->cancelled, Py_NewRef(Py_True));
    if (loop && PyObject_TypeCheck(h->loop, Loop_Type) && loop->debug) {
        PyObject *repr = PyObject_Repr((PyObject *)h);
        if (!repr) return -1;
        Py_XSETREF(h->repr, repr);
    }
    Py_XSETREF(h->callback, Py_NewRef(Py_None));
    Py_XSETREF(h->args, Py_NewRef(Py_None));
    return 0;
}

PyDoc_STRVAR(cancel_doc, "cancel()\n--\n\nCancel the callback. A second call, or one after it has run, does nothing.");

static PyObject *handle_cancel(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (!handle_is_cancelled(self) && handle_cancel_fields((HandleObject *)self) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *timer_cancel(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (handle_is_cancelled(self)) Py_RETURN_NONE;
    TimerHandleObject *h = (TimerHandleObject *)self;
    if (h->loop && PyObject_TypeCheck(h->loop, Loop_Type)) {
        Py_INCREF(self); /* the table may hold the last reference */
        timer_cancelled((LoopObject *)h->loop, h);
        int rc = handle_cancel_fields((HandleObject *)h);
        Py_DECREF(self);
        if (rc < 0) return NULL;
        Py_RETURN_NONE;
    }
    if (handle_cancel_fields((HandleObject *)h) < 0) return NULL;
    Py_RETURN_NONE;
}

int run_handle(LoopObject *loop, PyObject *self) {
    if (handle_is_cancelled(self)) return 0;
    return Py_IS_TYPE(self, ThreadSafeHandle_Type) ? run_thread_safe_handle(loop, self) : run_callback(loop, self);
}

/* Says that a callback raised; exits go up. Steals the exception. */
static int failed(LoopObject *loop, PyObject *handle, PyObject *exception) {
    if (is_exit_exception(exception)) {
        PyErr_SetRaisedException(exception);
        return -1;
    }
    PyObject *argv[3] = {(PyObject *)loop, handle, exception};
    PyObject *r = PyObject_VectorcallMethod(names._handle_failed, argv, 3, NULL);
    Py_XDECREF(r);
    Py_DECREF(exception);
    return r ? 0 : -1;
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

int run_callback(LoopObject *loop, PyObject *self) {
    HandleObject *h = (HandleObject *)self;
    if (loop->debug) {
        PyObject *r = PyObject_CallMethodOneArg((PyObject *)loop, names._run_handle_in_debug, self);
        if (!r) return -1;
        Py_DECREF(r);
        return 0;
    }
    /* The callback may cancel its own handle: keep what it uses. */
    PyObject *callback = Py_NewRef(h->callback), *args = Py_NewRef(h->args), *context = Py_NewRef(h->context);
    PyObject *result = NULL;
    if (PyContext_Enter(context) == 0) {
        result = PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(args, 0), (size_t)PyTuple_GET_SIZE(args), NULL);
        if (PyContext_Exit(context) < 0) Py_CLEAR(result);
    }
    int rc = 0;
    if (result) {
        Py_DECREF(result);
    } else {
        rc = failed(loop, self, steal_exception());
    }
    Py_DECREF(callback);
    Py_DECREF(args);
    Py_DECREF(context);
    return rc;
}

static PyMethodDef handle_methods[] = {{"cancel", handle_cancel, METH_NOARGS, cancel_doc}, {0}};
static PyMethodDef timer_methods[] = {{"cancel", timer_cancel, METH_NOARGS, cancel_doc}, {0}};

static PyType_Slot handle_slots[] = {
    {Py_tp_doc, "A callback that call_soon or a descriptor has scheduled; see asyncio.Handle."},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_methods, handle_methods},
    {0, NULL}};
static PyType_Slot timer_slots[] = {
    {Py_tp_doc, "A callback that call_later or call_at has scheduled; see asyncio.TimerHandle."},
    {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_clear, timer_clear},
    {Py_tp_methods, timer_methods},
    {0, NULL}};
static PyType_Spec handle_spec = {"goloop._core.Handle", sizeof(HandleObject), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, handle_slots};
static PyType_Spec timer_spec = {"goloop._core.TimerHandle", sizeof(TimerHandleObject), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, timer_slots};

/* Whether type has a slot of this name at this offset. */
int check_slot(PyObject *type, const char *name, Py_ssize_t offset) {
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    if (!descriptor) return -1;
    bool same = Py_IS_TYPE(descriptor, &PyMemberDescr_Type) &&
                ((PyMemberDescrObject *)descriptor)->d_member->offset == offset;
    Py_DECREF(descriptor);
    if (same) return 0;
    PyErr_Format(PyExc_ImportError, "goloop: this CPython lays out asyncio's %s.%s differently", ((PyTypeObject *)type)->tp_name,
                 name);
    return -1;
}

PyTypeObject *handle_subclass(PyObject *module, PyType_Spec *spec, PyObject *base) {
    PyObject *bases = PyTuple_Pack(1, base);
    if (!bases) return NULL;
    PyObject *type = PyType_FromModuleAndSpec(module, spec, bases);
    Py_DECREF(bases);
    if (type && PyModule_AddType(module, (PyTypeObject *)type) < 0) Py_CLEAR(type);
    return (PyTypeObject *)type;
}

int handle_setup(PyObject *module) {
    PyObject *events = PyImport_ImportModule("asyncio.events");
    if (!events) return -1;
    PyObject *base = PyObject_GetAttrString(events, "Handle");
    PyObject *timer_base = PyObject_GetAttrString(events, "TimerHandle");
    Py_DECREF(events);
    int rc = -1;
    if (!base || !timer_base) goto done;
#define CHECK(type, s, field)                                                                      \
    if (check_slot(type, "_" #field, offsetof(s, field)) < 0) goto done
    CHECK(base, HandleObject, args);
    CHECK(base, HandleObject, callback);
    CHECK(base, HandleObject, cancelled);
    CHECK(base, HandleObject, context);
    CHECK(base, HandleObject, loop);
    CHECK(base, HandleObject, repr);
    CHECK(base, HandleObject, source_traceback);
    CHECK(timer_base, TimerHandleObject, scheduled);
    CHECK(timer_base, TimerHandleObject, when);
    if (((PyTypeObject *)base)->tp_basicsize != sizeof(HandleObject) ||
        ((PyTypeObject *)timer_base)->tp_basicsize != offsetof(TimerHandleObject, id)) {
        PyErr_SetString(PyExc_ImportError, "goloop: this CPython's asyncio handles have another size");
        goto done;
    }
    AsyncioHandle_Type = (PyTypeObject *)Py_NewRef(base);
    Handle_Type = handle_subclass(module, &handle_spec, base);
    TimerHandle_Type = Handle_Type ? handle_subclass(module, &timer_spec, timer_base) : NULL;
    rc = TimerHandle_Type ? thread_safe_handle_setup(module) : -1;
done:
    Py_XDECREF(base);
    Py_XDECREF(timer_base);
    return rc;
}
