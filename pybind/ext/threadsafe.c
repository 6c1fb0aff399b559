/* ThreadSafeHandle: what call_soon_threadsafe returns from Python 3.14 on. cancel()
 * and cancelled() of another thread wait while the callback runs: once cancel() has
 * returned, it is not running.
 *
 * asyncio gives each of these handles a lock. Here the GIL is the lock, runner says
 * that the callback is under way, and only a thread that has to wait makes one. */
#include "core.h"

PyTypeObject *ThreadSafeHandle_Type;

typedef struct {
    HANDLE_FIELDS
    PyObject *unused_lock; /* asyncio's slot */
    /* ours */
    unsigned long runner; /* identity of the thread that runs the callback, 0: none */
    PyObject *waiting;    /* list of locks, one for each thread that waits, or NULL */
} ThreadSafeHandleObject;

PyObject *new_thread_safe_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                                 PyObject *context) {
    if (!ThreadSafeHandle_Type) return new_handle(loop, callback, args, n, context);
    PyObject *h = ThreadSafeHandle_Type->tp_alloc(ThreadSafeHandle_Type, 0);
    if (h && handle_fill((HandleObject *)h, loop, callback, args, n, context) < 0) Py_CLEAR(h);
    return h;
}

/* Lets the waiting threads go on, whatever exception is on its way. */
static int release_waiting(ThreadSafeHandleObject *h) {
    PyObject *exception = PyErr_GetRaisedException(), *waiting = h->waiting;
    int rc = 0;
    h->waiting = NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(waiting); i++) {
        PyObject *r = PyObject_CallMethod(PyList_GET_ITEM(waiting, i), "release", NULL);
        if (!r) rc = -1;
        Py_XDECREF(r);
    }
    Py_DECREF(waiting);
    if (exception) {
        PyErr_SetRaisedException(exception);
        rc = -1;
    }
    return rc;
}

int run_thread_safe_handle(LoopObject *loop, PyObject *self) {
    ThreadSafeHandleObject *h = (ThreadSafeHandleObject *)self;
    h->runner = PyThread_get_thread_ident();
    int rc = run_callback(loop, self);
    h->runner = 0;
    return h->waiting ? release_waiting(h) : rc;
}

/* Until the callback is not running, or -1 with what a signal handler raised. The
 * thread that runs it never waits: it would do so for itself. */
static int wait_for_callback(ThreadSafeHandleObject *h) {
    while (h->runner && h->runner != PyThread_get_thread_ident()) {
        PyObject *lock = PyObject_CallNoArgs(imports.lock);
        PyObject *r = lock ? PyObject_CallMethod(lock, "acquire", NULL) : NULL;
        Py_XDECREF(r);
        int rc = r && (h->waiting || (h->waiting = PyList_New(0))) ? PyList_Append(h->waiting, lock) : -1;
        if (rc == 0) {
            r = PyObject_CallMethod(lock, "acquire", NULL); /* until release_waiting */
            Py_XDECREF(r);
            rc = r ? 0 : -1;
        }
        Py_XDECREF(lock);
        if (rc < 0) return -1;
    }
    return 0;
}

PyDoc_STRVAR(cancel_doc, "cancel()\n--\n\n"
                         "Cancel the callback. From another thread this waits while the callback runs, and then does nothing.");

static PyObject *cancel(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (wait_for_callback((ThreadSafeHandleObject *)self) < 0) return NULL;
    if (!handle_is_cancelled(self) && handle_cancel_fields((HandleObject *)self) < 0) return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(cancelled_doc, "cancelled()\n--\n\nWhether cancel() was called. From another thread this waits while the callback runs.");

static PyObject *cancelled(PyObject *self, PyObject *ignored) {
    (void)ignored;
    if (wait_for_callback((ThreadSafeHandleObject *)self) < 0) return NULL;
    return PyBool_FromLong(handle_is_cancelled(self));
}

/* For debug mode. asyncio's own would ask for its lock. */
static PyObject *run(PyObject *self, PyObject *ignored) {
    (void)ignored;
    return PyObject_CallMethod((PyObject *)AsyncioHandle_Type, "_run", "O", self);
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((ThreadSafeHandleObject *)self)->waiting);
    return handle_traverse(self, visit, arg);
}

static int clear(PyObject *self) {
    ThreadSafeHandleObject *h = (ThreadSafeHandleObject *)self;
    Py_CLEAR(h->waiting);
    Py_CLEAR(h->unused_lock);
    return handle_clear(self);
}

static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {{"cancel", cancel, METH_NOARGS, cancel_doc},
                                {"cancelled", cancelled, METH_NOARGS, cancelled_doc},
                                {"_run", run, METH_NOARGS, NULL},
                                {0}};
static PyType_Slot slots[] = {{Py_tp_doc, "A callback that call_soon_threadsafe has scheduled; see asyncio.Handle."},
                              {Py_tp_dealloc, dealloc},
                              {Py_tp_traverse, traverse},
                              {Py_tp_clear, clear},
                              {Py_tp_methods, methods},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._ThreadSafeHandle", sizeof(ThreadSafeHandleObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

/* Before 3.14 asyncio has no such type, and neither have we. */
int thread_safe_handle_setup(PyObject *module) {
    PyObject *events = PyImport_ImportModule("asyncio.events");
    PyObject *base = events ? PyObject_GetAttrString(events, "_ThreadSafeHandle") : NULL;
    Py_XDECREF(events);
    if (!base) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
        PyErr_Clear();
        return 0;
    }
    int rc = check_slot(base, "_lock", offsetof(ThreadSafeHandleObject, unused_lock));
    if (rc == 0 && ((PyTypeObject *)base)->tp_basicsize != offsetof(ThreadSafeHandleObject, runner)) {
        PyErr_SetString(PyExc_ImportError, "goloop: this CPython's asyncio handles have another size");
        rc = -1;
    }
    if (rc == 0) ThreadSafeHandle_Type = handle_subclass(module, &spec, base);
    Py_DECREF(base);
    return rc == 0 && ThreadSafeHandle_Type ? 0 : -1;
}
