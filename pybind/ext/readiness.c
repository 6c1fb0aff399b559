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
#include "tasks.h"
#include "watch.h"

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

int readiness_begin(Readiness *r, LoopObject *loop, int fd, bool writer) {
    State *state = loop->state;
    if (fd < loop->fds_len && loop->fds[fd].kind != FD_FREE) {
        PyObject *number = PyLong_FromLong(fd);
        PyObject *none = number ? PyObject_CallMethodOneArg((PyObject *)loop, state->names._ensure_fd_no_transport, number) : NULL;
        Py_XDECREF(number);
        if (!none) return -1;
        Py_DECREF(none);
    }
    PyObject *future = new_future(loop);
    if (!future) return -1;
    PyAsyncMethods *async = Py_TYPE(future)->tp_as_async;
    if (!async || !async->am_await)
        PyErr_Format(PyExc_TypeError, "create_future() returned %R, which cannot be awaited", future);
    else
        r->iterator = async->am_await(future);
    r->loop = (LoopObject *)Py_NewRef(loop);
    r->fd = fd;
    r->writer = writer;
    r->handle = r->iterator ? new_handle(loop, state->wake, &future, 1, NULL) : NULL;
    Py_DECREF(future);
    if (r->handle && watch_begin(loop, fd, NULL, r->handle, writer) == 0) return 0;
    readiness_end(r);
    return -1;
}

PySendResult readiness_send(Readiness *r, PyObject **result) {
    if (r->iterator) return PyIter_Send(r->iterator, Py_None, result);
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

int readiness_traverse(Readiness *r, visitproc visit, void *arg) {
    Py_VISIT(r->loop);
    Py_VISIT(r->iterator);
    Py_VISIT(r->handle);
    return 0;
}

void readiness_end(Readiness *r) {
    LoopObject *loop = r->loop;
    PyObject *handle = r->handle;
    r->loop = NULL;
    r->handle = NULL;
    if (loop && handle) {
        PyObject *exception = PyErr_GetRaisedException(); /* what ends the coroutine */
        int rc;
        GUARD(loop->guard)
        rc = watch_end(loop, r->fd, handle, r->writer);
        UNGUARD
        if (rc < 0) PyErr_WriteUnraisable((PyObject *)loop);
        if (exception) PyErr_SetRaisedException(exception);
    }
    Py_XDECREF(handle);
    Py_XDECREF(loop);
    Py_CLEAR(r->iterator);
}

int readiness_setup(PyObject *module) {
    return (state_of(module)->wake = PyCFunction_New(&wake_method, module)) ? 0 : -1;
}
