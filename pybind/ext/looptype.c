/* The Loop type: the state that asyncio.BaseEventLoop keeps in attributes, and the tables of methods. The
 * Python class goloop.Loop derives from it and from asyncio's loop, whose run_forever calls our _run_once. */
#include "looptype.h"

#include <errno.h>
#include <stddef.h>
#include <structmember.h>

#include "accept.h"
#include "clock.h"
#include "completion.h"
#include "connect.h"
#include "datagram.h"
#include "descriptors.h"
#include "dispatch.h"
#include "engine.h"
#include "inbox.h"
#include "names.h"
#include "nested.h"
#include "owed.h"
#include "pipe.h"
#include "readiness.h"
#include "ready.h"
#include "ring.h"
#include "scheduled.h"
#include "server.h"
#include "settle.h"
#include "sigstack.h"
#include "snapshot.h"
#include "soon.h"
#include "stream.h"
#include "tasks.h"
#include "timer.h"
#include "turn.h"
#include "watch.h"

static const LoopHooks hooks = {settle_writes, dispatch, make_accepted};

/* ---- life ---- */

PyDoc_STRVAR(open_doc, "_open($self, selector, batched, /)\n--\n\n"
             "Open the engine; batched: it may serve many sockets with one system call.\n\n"
             "Raises OSError from the system; EINVAL: it has no such selector.");

static PyObject *loop_open(LoopObject *loop, PyObject *args) {
    const char *selector;
    int batched;
    if (!PyArg_ParseTuple(args, "sp", &selector, &batched)) return NULL;
    if (loop->engine) return PyErr_Format(PyExc_RuntimeError, "the engine of this event loop is open already");
    ensure_signal_stack();
    loop->sq_epoch = 1;
    return none_or_null(engine_open(loop, selector, batched) < 0 ? -1 : clock_look(loop));
}

/* Queued writes hold references: let the engine name them before it goes. What has a queue is watched, or has just lost it. */
static void release_transports(LoopObject *loop) {
    if (!loop_is_ours(loop)) return;
    if (submit_now(loop) < 0) PyErr_Clear();
    loop->shared.sq_len = 0;
    while (loop->engine > 0 && (loop->shared.nfds || loop->shared.backlog)) {
        int32_t n = loop->api->turn(loop->engine, GL_TURN_LAST);
        if (n <= 0) break;
        loop->cq = loop->shared.cq;
        loop->cq_head = 0;
        loop->cq_len = n;
        completions_clear(loop);
    }
}

PyDoc_STRVAR(close_engine_doc, "_close_engine($self, /)\n--\n\nDrop what is scheduled and free the engine.");

static PyObject *loop_close_engine(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (loop->in_turn) return PyErr_Format(PyExc_RuntimeError, "Cannot close a running event loop");
    completions_clear(loop);
    if (accepted_clear(loop) < 0) PyErr_WriteUnraisable((PyObject *)loop);
    release_transports(loop);
    engine_close(loop);
    Py_CLEAR(loop->barred);
    snapshot_drop(loop);
    inbox_clear(loop);
    ready_clear(loop);
    owed_clear(loop);
    timers_clear(loop);
    fds_clear(loop);
    Py_RETURN_NONE;
}

static PyObject *loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    PyObject *module = borrow_module(type);
    LoopObject *loop = (LoopObject *)type->tp_alloc(type, 0);
    if (!loop) return NULL;
    loop->timers.next = loop->timers.previous = &loop->timers;
    loop->thread_id = Py_NewRef(Py_None);
    loop->current_handle = Py_NewRef(Py_None);
    loop->task_factory = Py_NewRef(Py_None);
    loop->literals = PyTuple_New(0);
    loop->generation = process_generation;
    loop->hooks = &hooks;
    loop->module = Py_NewRef(module);
#ifdef Py_GIL_DISABLED
    if (!(loop->guard = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type))) {
        Py_DECREF(loop); /* without a state there is nothing to clear, for which it would need the guard */
        return NULL;
    }
#endif
    loop->state = state_of(module);
    return (PyObject *)loop;
}

static int loop_traverse(LoopObject *loop, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(loop));
    Py_VISIT(loop->module);
    Py_VISIT(loop->current_handle);
    Py_VISIT(loop->task_factory);
    Py_VISIT(loop->keywords[0]);
    Py_VISIT(loop->keywords[1]);
    Py_VISIT(loop->barred);
    Py_VISIT(loop->snapshot);
    Py_VISIT(loop->lent);
    Py_VISIT(loop->attached);
    Py_VISIT(loop->literals);
    for (size_t i = 0; i < loop->ready_len; i++) Py_VISIT(loop->ready[(loop->ready_head + i) & (loop->ready_cap - 1)]);
    int (*const parts[])(LoopObject *, visitproc, void *) = {timers_traverse, fds_traverse, owed_traverse, completions_traverse};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int rc = parts[i](loop, visit, arg);
        if (rc) return rc;
    }
    return 0;
}

static int loop_clear(LoopObject *loop) {
    Py_CLEAR(loop->current_handle);
    Py_CLEAR(loop->task_factory);
    Py_CLEAR(loop->keywords[0]);
    Py_CLEAR(loop->keywords[1]);
    GUARD(loop->guard)
    steal_result(loop_close_engine(loop, NULL));
    UNGUARD
    Py_CLEAR(loop->literals); /* which nobody asks for without an engine */
    return 0;
}

static void loop_dealloc(LoopObject *loop) {
    PyTypeObject *type = Py_TYPE(loop);
    PyObject_GC_UnTrack(loop);
    if (loop->state) loop_clear(loop);
    Py_CLEAR(loop->thread_id);
    PyMem_Free(loop->ready);
    PyMem_Free(loop->fds);
    timers_free(loop);
    engine_release(loop);
#ifdef Py_GIL_DISABLED
    Py_XDECREF(loop->guard);
#endif
    PyObject *module = loop->module;
    type->tp_free(loop);
    Py_XDECREF(module);
    Py_DECREF(type);
}

/* ---- methods ---- */

static PyObject *write_to_self(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    loop_wake(loop);
    Py_RETURN_NONE;
}

static PyObject *signal_fd(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (engine_usable(loop) < 0 || engine_taken(loop)) return NULL;
    int32_t fd = loop->api->signal_fd(loop->engine);
    if (fd < 0) return none_or_null(engine_error(loop, fd));
    loop->signal_pipe = true;
    return PyLong_FromLong(fd);
}

static PyObject *loop_stats(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (engine_usable(loop) < 0) return NULL;
    gl_stats s;
    int32_t rc = loop->api->stats(loop->engine, &s);
    if (rc < 0) return none_or_null(engine_error(loop, rc));
    return Py_BuildValue("(y#s)", (const char *)&s, (Py_ssize_t)sizeof s, loop->shared.selector);
}

static PyObject *is_inherited(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(!loop_is_ours(loop));
}

/* _submit(op, flags, user, len, fd) -> errno: one submission. From another thread while the loop waits, it is done soon and
 * the answer is 0. */
static PyObject *submit(LoopObject *loop, PyObject *args) {
    gl_sqe s = {0};
    unsigned long long user;
    long long len;
    Py_ssize_t fd;
    if (!PyArg_ParseTuple(args, "HHKLn", &s.op, &s.flags, &user, &len, &fd)) return NULL;
    if (fd != (int)fd) return PyLong_FromLong(EINVAL);
    s.fd = (int)fd;
    s.user = user;
    s.len = len;
    int error = submit_one(loop, &s);
    return error < 0 ? NULL : PyLong_FromLong(error);
}

PyDoc_STRVAR(call_soon_doc,
             "call_soon($self, callback, *args, context=None)\n--\n\n"
             "Arrange for callback(*args) to run in the next turn, in order of the calls. Returns an\n"
             "asyncio.Handle. Raises RuntimeError when the loop is closed.");
PyDoc_STRVAR(call_soon_threadsafe_doc,
             "call_soon_threadsafe($self, callback, *args, context=None)\n--\n\n"
             "call_soon for other threads and signal handlers: a sleeping loop wakes.");
PyDoc_STRVAR(call_later_doc,
             "call_later($self, delay, callback, *args, context=None)\n--\n\n"
             "Run callback(*args) after delay seconds, never earlier. Returns an asyncio.TimerHandle.");
PyDoc_STRVAR(call_at_doc,
             "call_at($self, when, callback, *args, context=None)\n--\n\n"
             "Run callback(*args) when time() has reached when, in seconds. Returns an asyncio.TimerHandle.");
PyDoc_STRVAR(time_doc, "time($self, /)\n--\n\nSeconds of CLOCK_MONOTONIC as a float, with nanosecond resolution.");
PyDoc_STRVAR(create_task_doc,
             "create_task($self, coro, **kwargs)\n--\n\n"
             "Run a coroutine in an asyncio.Task, or in what the task factory makes.");
PyDoc_STRVAR(create_future_doc, "create_future($self, /)\n--\n\nAn asyncio.Future of this loop.");
PyDoc_STRVAR(is_running_doc, "is_running($self, /)\n--\n\nWhether the loop runs, in whatever thread.");
PyDoc_STRVAR(get_debug_doc, "get_debug($self, /)\n--\n\nWhether the loop is in debug mode.");
PyDoc_STRVAR(run_once_doc, "_run_once($self, /)\n--\n\nTake one turn; called by run_forever, turns until stop().");
PyDoc_STRVAR(readable_doc,
             "_readable($self, fd, /)\n--\n\n"
             "An awaitable that ends when fd is readable. The wait is the descriptor's reader until the awaitable\n"
             "is gone: await it at once and keep it nowhere.");

/* X(how it is guarded, flags, name, function, doc) */
#define GUARDED_METHODS(X)                                                                                            \
    X(CALL, METH_FASTCALL | METH_KEYWORDS, "call_soon", method_call_soon, call_soon_doc)                              \
    X(CALL, METH_FASTCALL | METH_KEYWORDS, "call_later", loop_call_later, call_later_doc)                             \
    X(CALL, METH_FASTCALL | METH_KEYWORDS, "call_at", loop_call_at, call_at_doc)                                      \
    X(CALL, METH_FASTCALL | METH_KEYWORDS, "create_task", method_create_task, create_task_doc)                        \
    X(ONE, METH_O, "_add_callback", method_add_callback, NULL)                                                        \
    X(ONE, METH_NOARGS, "_run_once", loop_run_once, run_once_doc)                                                     \
    X(ONE, METH_O, "_turn", loop_turn, NULL)                                                                          \
    X(ONE, METH_O, "_batch", loop_batch, NULL)                                                                        \
    X(ONE, METH_NOARGS, "_has_come", loop_has_come, NULL)                                                             \
    X(ONE, METH_NOARGS, "_at_rest", loop_at_rest, NULL)                                                               \
    X(ONE, METH_NOARGS, "_ready_len", loop_ready_len, NULL)                                                           \
    X(ONE, METH_NOARGS, "_ready_pop", loop_ready_pop, NULL)                                                           \
    X(ONE, METH_O, "_ready_insert", loop_ready_insert, NULL)                                                          \
    X(ONE, METH_NOARGS, "_ready_items", loop_ready_items, NULL)                                                       \
    X(ONE, METH_NOARGS, "_take_timers", loop_take_timers, NULL)                                                       \
    X(ONE, METH_O, "_give_timer", loop_give_timer, NULL)                                                              \
    X(FAST, METH_FASTCALL, "_connect", loop_connect, NULL)                                                            \
    X(ONE, METH_VARARGS, "_connected_stream", loop_connected_stream, NULL)                                            \
    X(ONE, METH_VARARGS, "_connected_pipe", loop_connected_pipe, NULL)                                                \
    X(ONE, METH_VARARGS, "_datagram_transport", loop_datagram_transport, NULL)                                        \
    X(ONE, METH_NOARGS, "_watched", loop_watched, NULL)                                                               \
    X(ONE, METH_VARARGS, "_open", loop_open, open_doc)                                                                \
    X(ONE, METH_NOARGS, "_close_engine", loop_close_engine, close_engine_doc)                                         \
    X(ONE, METH_NOARGS, "_signal_fd", signal_fd, NULL)                                                                \
    X(ONE, METH_NOARGS, "_stats_struct", loop_stats, NULL)                                                            \
    X(ONE, METH_VARARGS, "_submit", submit, NULL)                                                                     \
    X(CALL, METH_FASTCALL | METH_KEYWORDS, "_add_reader", method_add_reader, NULL)                                    \
    X(CALL, METH_FASTCALL | METH_KEYWORDS, "_add_writer", method_add_writer, NULL)                                    \
    X(ONE, METH_O, "_remove_reader", method_remove_reader, NULL)                                                      \
    X(ONE, METH_O, "_remove_writer", method_remove_writer, NULL)                                                      \
    X(ONE, METH_O, "_readable", method_readable, readable_doc)                                                        \
    X(ONE, METH_O, "_writable", method_writable, NULL)                                                                \
    X(ONE, METH_O, "_connecting", method_connecting, NULL)                                                            \
    X(FAST, METH_FASTCALL, "_receive", method_receive, NULL)                                                          \
    X(FAST, METH_FASTCALL, "_receive_into", method_receive_into, NULL)                                                \
    X(FAST, METH_FASTCALL, "_send", method_send, NULL)                                                                \
    X(ONE, METH_O, "_fd_has_transport", loop_fd_has_transport, NULL)                                                  \
    X(ONE, METH_VARARGS, "_getaddrinfo", loop_getaddrinfo, NULL)                                                      \
    X(ONE, METH_VARARGS, "_getnameinfo", loop_getnameinfo, NULL)                                                      \
    X(FAST, METH_FASTCALL, "_recall", loop_recall, NULL)                                                              \
    X(ONE, METH_O, "_keep_literals", loop_keep_literals, NULL)                                                        \
    X(ONE, METH_VARARGS, "_listen", loop_listen, NULL)                                                                \
    X(ONE, METH_O, "_unlisten", loop_unlisten, NULL)                                                                  \
    X(ONE, METH_NOARGS, "_is_accepting", loop_is_accepting, NULL)                                                     \
    X(ONE, METH_NOARGS, "_cancel_accepted", loop_cancel_accepted, NULL)

#define X(guard, flags, name, f, doc) GUARDED_##guard(LoopObject, f)
GUARDED_METHODS(X)
#undef X

#define X(guard, flags, name, f, doc) METHOD(name, GUARDED(f), flags, doc),
static PyMethodDef methods[] = {
    GUARDED_METHODS(X)
    /* Any thread may call these. */
    METHOD("call_soon_threadsafe", method_call_soon_threadsafe, METH_FASTCALL | METH_KEYWORDS, call_soon_threadsafe_doc),
    METHOD("create_future", method_create_future, METH_NOARGS, create_future_doc),
    METHOD("is_running", method_is_running, METH_NOARGS, is_running_doc),
    METHOD("get_debug", method_get_debug, METH_NOARGS, get_debug_doc),
    METHOD("time", loop_time, METH_NOARGS, time_doc),
    METHOD("_add_callback_signalsafe", method_add_callback_signalsafe, METH_O, NULL),
    METHOD("_write_to_self", write_to_self, METH_NOARGS, NULL),
    METHOD("_is_inherited", is_inherited, METH_NOARGS, NULL),
    {0}};
#undef X

static PyMemberDef members[] = {
    /* Other threads may ask for these while the loop's sets them, which a member allows. */
    {"_thread_id", T_OBJECT_EX, offsetof(LoopObject, thread_id), 0, NULL},
    {"_current_handle", T_OBJECT_EX, offsetof(LoopObject, current_handle), 0, NULL},
    {"_task_factory", T_OBJECT_EX, offsetof(LoopObject, task_factory), 0, NULL},
    {"_literals", T_OBJECT_EX, offsetof(LoopObject, literals), READONLY, NULL},
    {"_closed", T_BOOL, offsetof(LoopObject, closed), 0, NULL},
    {"_stopping", T_BOOL, offsetof(LoopObject, stopping), 0, NULL},
    {"_forever", T_BOOL, offsetof(LoopObject, forever), 0, NULL},
    {"_engine_id", T_LONGLONG, offsetof(LoopObject, engine), READONLY, NULL},
    {"_hears_signals", T_BOOL, offsetof(LoopObject, hears_signals), 0, NULL},
    {"_deaf", T_BOOL, offsetof(LoopObject, deaf), 0, NULL},
    {"_watches", T_INT, offsetof(LoopObject, shared.nfds), READONLY, "How many descriptors and lookups could bring something; as of the last turn."},
    {0}};

static PyObject *get_debug(LoopObject *loop, void *i) { (void)i; return PyBool_FromLong(loop->debug); }

static int set_debug(LoopObject *loop, PyObject *value, void *i) {
    (void)i;
    int truth = value ? PyObject_IsTrue(value) : 0; /* set_debug() takes anything */
    if (truth < 0) return -1;
    loop->debug = (char)truth;
    return 0;
}

static PyGetSetDef getset[] = {{"_debug", (getter)get_debug, (setter)set_debug, NULL, NULL}, {0}};

static PyType_Slot slots[] = {{Py_tp_doc, "The part of goloop.Loop that is written in C."},
                              {Py_tp_new, loop_new},
                              {Py_tp_dealloc, loop_dealloc},
                              {Py_tp_traverse, loop_traverse},
                              {Py_tp_clear, loop_clear},
                              {Py_tp_setattro, loop_setattro},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {Py_tp_getset, getset},
                              {0, NULL}};
static PyType_Spec spec = {"goloop._core.Loop", sizeof(LoopObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};

int loop_setup(PyObject *module) {
    return (state_of(module)->types.Loop = new_type(module, &spec, NULL)) ? 0 : -1;
}
