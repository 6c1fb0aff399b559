/* What sock_recv and its kin wait for when they would block.
 *
 * The object is the wait: it is the descriptor's reader (or writer) from its
 * creation to its end, and a coroutine holds it only while it awaits. So a wait
 * that is cancelled, thrown into or dropped with its coroutine ends there, before
 * the coroutine's own handlers run, and the descriptor is free for the next one.
 * It tells that the descriptor is ready and takes nothing from it: whoever
 * is cancelled between the two has lost no byte and no connection. */
#include "readiness.h"

#include "descriptors.h"
#include "engine.h"
#include "handle.h"
#include "watch.h"

typedef struct ReadinessObject {
    PyObject_HEAD
    LoopObject *loop;
    PyObject *iterator; /* of the future that the task waits for */
    PyObject *handle;   /* sets the future's result */
    int fd;
    bool writer;
} ReadinessObject;

/* wake(future): the handle's callback. A descriptor may be ready in more turns than one
 * before the task has run. */
static PyObject *wake(PyObject *module, PyObject *future) {
    PyObject *done = PyObject_CallMethodNoArgs(future, state_of(module)->names.done);
    int is_done = done ? PyObject_IsTrue(done) : -1;
    Py_XDECREF(done);
    if (is_done < 0) return NULL;
    if (!is_done) return PyObject_CallMethodOneArg(future, state_of(module)->names.set_result, Py_None);
    Py_RETURN_NONE;
}

static PyMethodDef wake_method = {"wake", wake, METH_O, NULL};

/* loop._readable(fd), loop._writable(fd) */
static PyObject *readiness(LoopObject *loop, PyObject *number, bool writer) {
    if (engine_usable(loop) < 0) return NULL;
    int fd = descriptor_of(loop, number);
    if (fd < 0) return NULL;
    if (fd < loop->fds_len && loop->fds[fd].kind != FD_FREE) {
        PyObject *r = PyObject_CallMethodOneArg((PyObject *)loop, loop->state->names._ensure_fd_no_transport, number);
        if (!r) return NULL;
        Py_DECREF(r);
    }
    ReadinessObject *self = NULL;
    PyObject *future = PyObject_CallMethodNoArgs((PyObject *)loop, loop->state->names.create_future);
    if (!future) return NULL;
    PyAsyncMethods *async = Py_TYPE(future)->tp_as_async;
    if (!async || !async->am_await) {
        PyErr_Format(PyExc_TypeError, "create_future() returned %R, which cannot be awaited", future);
        goto done;
    }
    self = (ReadinessObject *)loop->state->types.Readiness->tp_alloc(loop->state->types.Readiness, 0);
    if (!self) goto done;
    self->loop = (LoopObject *)Py_NewRef(loop);
    self->fd = fd;
    self->writer = writer;
    self->iterator = async->am_await(future);
    self->handle = self->iterator ? new_handle(loop, loop->state->wake, &future, 1, NULL) : NULL;
    if (!self->handle || watch_begin(loop, fd, NULL, self->handle, writer) < 0) Py_CLEAR(self);
done:
    Py_DECREF(future);
    return (PyObject *)self;
}

/* Gives the future to the task, and when it comes back, its result or error. */
static PyObject *readiness_next(ReadinessObject *self) {
    if (!self->iterator) return NULL;
    return Py_TYPE(self->iterator)->tp_iternext(self->iterator);
}

static int readiness_traverse(ReadinessObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->loop);
    Py_VISIT(self->iterator);
    Py_VISIT(self->handle);
    return 0;
}

static int readiness_clear(ReadinessObject *self) {
    LoopObject *loop = self->loop;
    PyObject *handle = self->handle;
    self->loop = NULL;
    self->handle = NULL;
    if (loop && handle) {
        PyObject *exception = PyErr_GetRaisedException(); /* what ends the coroutine */
        int rc;
        GUARD(loop->guard)
        rc = watch_end(loop, self->fd, handle, self->writer);
        UNGUARD
        if (rc < 0) PyErr_WriteUnraisable((PyObject *)loop);
        if (exception) PyErr_SetRaisedException(exception);
    }
    Py_XDECREF(handle);
    Py_XDECREF(loop);
    Py_CLEAR(self->iterator);
    return 0;
}

static void readiness_dealloc(ReadinessObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    readiness_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot readiness_slots[] = {
    {Py_tp_doc, "A coroutine's wait for a descriptor."},
    {Py_tp_dealloc, readiness_dealloc},
    {Py_tp_traverse, readiness_traverse},
    {Py_tp_clear, readiness_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, readiness_next},
    {Py_am_await, PyObject_SelfIter},
    {0, NULL}};
static PyType_Spec readiness_spec = {"goloop._core._Readiness", sizeof(ReadinessObject), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                     readiness_slots};

int readiness_setup(PyObject *module) {
    State *state = state_of(module);
    state->types.Readiness = new_type(module, &readiness_spec, NULL);
    state->wake = state->types.Readiness ? PyCFunction_New(&wake_method, module) : NULL;
    return state->wake ? 0 : -1;
}

PyObject *method_readable(LoopObject *loop, PyObject *fd) { return readiness(loop, fd, false); }
PyObject *method_writable(LoopObject *loop, PyObject *fd) { return readiness(loop, fd, true); }
