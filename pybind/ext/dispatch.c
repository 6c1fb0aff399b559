/* A completion goes to its handle, to the loop, or to the owner of its descriptor. */
#include "dispatch.h"

#include <unistd.h>

#include "completion.h"
#include "descriptors.h"
#include "errors.h"
#include "names.h"
#include "threadsafe.h"

int dispatch(LoopObject *loop, gl_cqe *c) {
    switch (c->kind) {
    case GL_RUN_HANDLE: {
        PyObject *handle = (PyObject *)(uintptr_t)c->user;
        int rc = run_handle(loop, handle);
        Py_DECREF(handle);
        return rc;
    }
    case GL_NOTHING:
        return 0;
    case GL_RELEASED:
        Py_DECREF((PyObject *)(uintptr_t)c->user);
        return 0;
    case GL_SIGNAL:
        return steal_result(PyObject_CallMethod((PyObject *)loop, "_handle_signal", "i", (int)c->res));
    case GL_RESOLVED:
        return on_resolved(loop, c);
    case GL_CHILD_EXITED:
        return steal_result(PyObject_CallMethod((PyObject *)loop, "_child_exited", "KiL", (unsigned long long)c->user,
                                                (int)c->res, (long long)c->len));
    }
    FdEntry *e = fd_lookup(loop, c->fd, c->gen);
    PyObject *owner = e ? fd_new_owner(e) : NULL;
    if (!owner) {
        if (c->kind == GL_ACCEPTED) close(c->res);
        return 0;
    }
    int64_t started = loop->debug ? monotonic_ns() : 0;
    int rc = e->asks->arrived(loop, owner, c);
    if (rc == 0 && loop->debug) rc = warn_if_slow(loop, owner, started);
    Py_DECREF(owner);
    return rc;
}
