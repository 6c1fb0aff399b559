/* cancel() and cancelled() of another thread wait while the callback runs (goloop/handles.py): once cancel() has
 * returned, it is not running.
 *
 * asyncio gives each of these handles a lock. Here runner says that the callback is under way, and who asks brings
 * one. Both fields are read and written in the handle's critical section. */
#include "threadsafe.h"

#include <stddef.h>

#include "errors.h"
#include "handle.h"

typedef struct {
    HANDLE_FIELDS
    PyObject *unused_lock; /* asyncio's slot */
    /* ours */
    unsigned long runner; /* identity of the thread that runs the callback, 0: none */
    PyObject *waiting;    /* list of locks, one for each thread that waits, or NULL */
    HandleTail tail;
} ThreadSafeHandleObject;

PyObject *new_thread_safe_handle(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n,
                                 PyObject *context) {
    PyTypeObject *type = loop->state->types.ThreadSafeHandle;
    if (!type) return new_handle(loop, callback, args, n, context);
    return new_handle_as(type, FREE_THREAD_SAFE, loop, callback, args, n, context);
}

/* Lets the waiting threads go on, whatever exception is on its way. Steals the list. */
static int release_waiting(PyObject *waiting, int rc) {
    PyObject *exception = PyErr_GetRaisedException();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(waiting); i++)
        put_aside(&exception, steal_result(PyObject_CallMethod(PyList_GET_ITEM(waiting, i), "release", NULL)));
    Py_DECREF(waiting);
    return raise_again(exception, rc);
}

static __attribute__((noinline)) int run_thread_safe_handle(LoopObject *loop, PyObject *self) {
    ThreadSafeHandleObject *h = (ThreadSafeHandleObject *)self;
    PyObject *waiting;
    Py_BEGIN_CRITICAL_SECTION(self);
    h->runner = PyThread_get_thread_ident();
    Py_END_CRITICAL_SECTION();
    int rc = run_callback(loop, self);
    Py_BEGIN_CRITICAL_SECTION(self);
    h->runner = 0;
    waiting = h->waiting;
    h->waiting = NULL;
    Py_END_CRITICAL_SECTION();
    return waiting ? release_waiting(waiting, rc) : rc;
}

int run_handle(LoopObject *loop, PyObject *self) {
    return Py_IS_TYPE(self, loop->state->types.ThreadSafeHandle) ? run_thread_safe_handle(loop, self) : run_callback(loop, self);
}

/* _wait(lock or None) -> bool: whether the callback is under way in another thread, and the lock, which is held, will be let go
 * when it has returned. The thread that runs it never waits: it would do so for itself. */
static PyObject *wait(PyObject *self, PyObject *lock) {
    ThreadSafeHandleObject *h = (ThreadSafeHandleObject *)self;
    bool waits;
    int rc = 0;
    Py_BEGIN_CRITICAL_SECTION(h);
    waits = h->runner && h->runner != PyThread_get_thread_ident();
    bool joins = waits && lock != Py_None;
    if (joins && !h->waiting) h->waiting = PyList_New(0);
    if (joins) rc = h->waiting ? PyList_Append(h->waiting, lock) : -1;
    Py_END_CRITICAL_SECTION();
    return rc < 0 ? NULL : PyBool_FromLong(waits);
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
    handle_dealloc_as(self, ((ThreadSafeHandleObject *)self)->tail.state, clear, FREE_THREAD_SAFE);
}

static PyMethodDef methods[] = {{"_wait", wait, METH_O, NULL}, {"_cancel", handle_cancel, METH_NOARGS, NULL}, {0}};
static PyType_Slot slots[] = {{Py_tp_doc, "A callback that call_soon_threadsafe has scheduled; see asyncio.Handle."},
                              {Py_tp_dealloc, dealloc},
                              {Py_tp_traverse, traverse},
                              {Py_tp_clear, clear},
                              {Py_tp_methods, methods},
                              {Py_tp_getset, handle_getset},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core._ThreadSafeHandle", sizeof(ThreadSafeHandleObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

/* Before 3.14 asyncio has no such type, and neither have we. */
int thread_safe_handle_setup(PyObject *module) {
    static const Place places[] = {{"_lock", offsetof(ThreadSafeHandleObject, unused_lock)},
                                   {NULL, offsetof(ThreadSafeHandleObject, runner)}};
    PyTypeObject *type = new_type_over(module, &spec, "goloop.handles", "ThreadSafeHandle", places);
    state_of(module)->types.ThreadSafeHandle = type;
    if (type) return 0;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return -1;
    PyErr_Clear();
    return 0;
}
