/* Child processes: the engine watches, python/goloop/children.py keeps what is to
 * be called under a number of its own, so that no reference crosses the boundary. */
#include "child.h"

#include <errno.h>

#include "engine.h"
#include "errors.h"

/* _child_watcher(name) -> str: forces a child watcher unless name is empty, and tells
 * which one the next child gets. ValueError for one that this system does not have. */
PyObject *loop_child_watcher(LoopObject *loop, PyObject *name) {
    const char *wanted = PyUnicode_AsUTF8(name);
    if (!wanted || engine_usable(loop) < 0 || engine_taken(loop)) return NULL;
    char chosen[GL_NAME]; /* what is cut is no name */
    PyOS_snprintf(chosen, sizeof chosen, "%s", wanted);
    int32_t rc = loop->api->child_watcher(loop->engine, chosen);
    if (rc == 0) return PyUnicode_FromString(chosen);
    if (rc == -EINVAL)
        PyErr_Format(PyExc_ValueError, "goloop: this system has no child watcher called %.50s (GOLOOP_CHILD_WATCHER)",
                     wanted);
    else
        engine_error(loop, rc);
    return NULL;
}

int on_child_exited(LoopObject *loop, gl_cqe *c) {
    return steal_result(PyObject_CallMethod((PyObject *)loop, "_child_exited", "KiL", (unsigned long long)c->user, (int)c->res,
                                            (long long)c->len));
}
