/* Scheduling for the next turn. */
#include "soon.h"

#include <sched.h>

#include "call.h"
#include "engine.h"
#include "handle.h"
#include "inbox.h"
#include "ready.h"
#include "threadsafe.h"

/* What other threads have scheduled before comes first. */
static int push(LoopObject *loop, PyObject *handle) { return inbox_empty(loop) < 0 ? -1 : ready_push(loop, handle); }

HOT PyObject *loop_call_soon(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n, PyObject *context) {
    PyObject *handle = new_handle(loop, callback, args, n, context);
    if (handle && push(loop, handle) < 0) Py_CLEAR(handle);
    return handle;
}

int loop_call_soon_drop(LoopObject *loop, PyObject *callback, PyObject *arg, PyObject *context) {
    PyObject *handle = loop_call_soon(loop, callback, &arg, arg ? 1 : 0, context);
    Py_XDECREF(handle);
    return handle ? 0 : -1;
}

static int check_open(LoopObject *loop) {
    if (!loop->closed && loop_is_ours(loop)) return 0;
    return engine_usable_slow(loop);
}

/* _asyncio's tasks and futures name it by a string of their own. */
static inline bool is_context(PyObject *name, PyObject *interned) {
    return name == interned || (PyUnicode_IS_COMPACT_ASCII(name) && PyUnicode_GET_LENGTH(name) == 7 &&
                                memcmp(PyUnicode_1BYTE_DATA(name), "context", 7) == 0);
}

HOT PyObject *method_call_soon(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (kwnames && n > 0 && PyTuple_GET_SIZE(kwnames) == 1 && is_context(PyTuple_GET_ITEM(kwnames, 0), loop->state->names.context))
        c = (Call){.args = args, .n = n, .context = args[n] == Py_None ? NULL : args[n]}; /* as tasks and futures call it */
    else if (take_call(&c, "BaseEventLoop.call_soon", NULL, args, n, kwnames) < 0)
        return NULL;
    if (check_open(loop) < 0) return NULL;
    if (loop->debug && debug_checks(loop, c.args[0], "call_soon", true) < 0) return NULL;
    return loop_call_soon(loop, c.args[0], c.args + 1, c.n - 1, c.context);
}

static bool is_own_thread(LoopObject *loop) {
    return atomic_load_explicit(&loop->runner, memory_order_relaxed) == own_thread();
}

/* Threads that schedule without a pause would keep the loop from the GIL while its next
 * batch grows: asyncio's let go of it with each call, for a system call; these with a flood. */
static void let_others_run(LoopObject *loop, size_t waiting) {
    if (waiting <= (size_t)loop->shared.flood || !atomic_load(&loop->runner) || is_own_thread(loop)) return;
    Py_BEGIN_ALLOW_THREADS
    sched_yield();
    Py_END_ALLOW_THREADS
}

/* Behind what is ready, and the loop wakes. Of any thread. */
static int push_from_anywhere(LoopObject *loop, PyObject *handle) {
#ifndef Py_GIL_DISABLED
    /* Who has the GIL may write to the queue, as asyncio's threads do. */
    if (ready_push(loop, handle) < 0) return -1;
    loop_wake(loop);
    let_others_run(loop, loop->ready_len);
#else
    if (is_own_thread(loop)) {
        int rc;
        GUARD(loop->guard)
        rc = push(loop, handle);
        UNGUARD
        return rc;
    }
    inbox_push(loop, handle);
    loop_wake(loop);
    let_others_run(loop, atomic_load(&loop->inbox_len));
#endif
    return 0;
}

PyObject *method_call_soon_threadsafe(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (take_call(&c, "BaseEventLoop.call_soon_threadsafe", NULL, args, n, kwnames) < 0) return NULL;
    if (check_open(loop) < 0) return NULL;
    if (loop->debug && debug_checks(loop, c.args[0], "call_soon_threadsafe", false) < 0) return NULL;
    PyObject *handle = new_thread_safe_handle(loop, c.args[0], c.args + 1, c.n - 1, c.context);
    if (handle && push_from_anywhere(loop, handle) < 0) Py_CLEAR(handle);
    return handle;
}

PyObject *method_add_callback(LoopObject *loop, PyObject *handle) {
    if (check_handle(loop->state, handle) < 0) return NULL;
    return none_or_null(handle_is_cancelled(handle) ? 0 : push(loop, handle));
}

PyObject *method_add_callback_signalsafe(LoopObject *loop, PyObject *handle) {
    if (check_handle(loop->state, handle) < 0) return NULL;
    PyObject *ours = is_own_thread(loop) ? Py_NewRef(handle) : NULL;
    if (!ours) { /* it may be none of ours, and be here already: the loop's thread puts it into the queue */
        PyObject *add = PyObject_GetAttrString((PyObject *)loop, "_add_callback");
        ours = add ? new_handle(loop, add, &handle, 1, NULL) : NULL;
        Py_XDECREF(add);
    }
    if (ours && !handle_is_cancelled(handle) && push_from_anywhere(loop, ours) < 0) Py_CLEAR(ours);
    if (!ours) return NULL;
    Py_DECREF(ours);
    Py_RETURN_NONE;
}
