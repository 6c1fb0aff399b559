/* The Loop type: the state that asyncio.BaseEventLoop keeps in attributes, the
 * ready queue, call_soon. The Python class goloop.Loop derives from it and from
 * asyncio's loop, whose run_forever calls our _run_once. */
#include "core.h"

#include <sched.h>
#include <stdlib.h>
#include <structmember.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

PyTypeObject *Loop_Type;

enum { SQ_CAP = 4096, CQ_CAP = 4096, READY_CAP = 1024, READY_KEPT = 16 * READY_CAP, ARENA = 512 << 10 };

/* Callbacks waiting from which on other threads are held up: what 5 ms, the interpreter's
 * switch interval, are enough for. */
enum { FLOOD = 1 << 14 };

/* ---- ready queue ---- */

/* Makes room for n more. */
static int ready_reserve(LoopObject *loop, size_t n) {
    size_t cap = loop->ready_cap ? loop->ready_cap : READY_CAP;
    while (cap < loop->ready_len + n) cap *= 2;
    if (cap == loop->ready_cap) return 0;
    PyObject **items = PyMem_Malloc(cap * sizeof *items);
    if (!items) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < loop->ready_len; i++)
        items[i] = loop->ready[(loop->ready_head + i) & (loop->ready_cap - 1)];
    PyMem_Free(loop->ready);
    loop->ready = items;
    loop->ready_cap = cap;
    loop->ready_head = 0;
    return 0;
}

int ready_push(LoopObject *loop, PyObject *handle) {
    if (loop->ready_len == loop->ready_cap && ready_reserve(loop, 1) < 0) return -1;
    loop->ready[(loop->ready_head + loop->ready_len++) & (loop->ready_cap - 1)] = Py_NewRef(handle);
    return 0;
}

/* Gives back what a crowd of callbacks has left. */
void ready_give_back(LoopObject *loop) {
    if (loop->ready_len || loop->ready_cap <= READY_KEPT) return;
    PyMem_Free(loop->ready);
    loop->ready = NULL;
    loop->ready_cap = loop->ready_head = 0;
}

int ready_insert(LoopObject *loop, size_t at, PyObject **handles, size_t n) {
    if (ready_reserve(loop, n) < 0) return -1;
    size_t mask = loop->ready_cap - 1, head = loop->ready_head = (loop->ready_head - n) & mask;
    for (size_t i = 0; i < at; i++) loop->ready[(head + i) & mask] = loop->ready[(head + n + i) & mask];
    for (size_t i = 0; i < n; i++) loop->ready[(head + at + i) & mask] = handles[i];
    loop->ready_len += n;
    if (at < loop->todo) loop->todo += n;
    return 0;
}

void ready_clear(LoopObject *loop) {
    while (loop->ready_len) {
        PyObject *h = loop->ready[loop->ready_head];
        loop->ready_head = (loop->ready_head + 1) & (loop->ready_cap - 1);
        loop->ready_len--;
        Py_DECREF(h);
    }
    loop->todo = 0;
}

/* Ends the wait of a sleeping loop, once a turn. The engine's descriptor takes
 * eight bytes; when it would block, a wake-up is pending already. */
void loop_wake(LoopObject *loop) {
    if (!loop->sleeping || loop->woken || loop->generation != process_generation) return;
    loop->woken = true;
    const uint64_t one = 1;
    ssize_t n = write(loop->shared.wake_fd, &one, sizeof one);
    (void)n;
}

/* ---- scheduling ---- */

static int check_open(LoopObject *loop) {
    if (!loop->closed && loop->generation == process_generation) return 0;
    return engine_usable_slow(loop);
}

/* Debug mode: the checks of BaseEventLoop.call_soon, by its own methods. */
static int debug_checks(LoopObject *loop, PyObject *callback, const char *method, bool thread) {
    PyObject *r;
    if (thread) {
        r = PyObject_CallMethod((PyObject *)loop, "_check_thread", NULL);
        if (!r) return -1;
        Py_DECREF(r);
    }
    r = PyObject_CallMethod((PyObject *)loop, "_check_callback", "Os", callback, method);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

PyObject *loop_call_soon(LoopObject *loop, PyObject *callback, PyObject *const *args, Py_ssize_t n, PyObject *context) {
    PyObject *handle = new_handle(loop, callback, args, n, context);
    if (handle && ready_push(loop, handle) < 0) Py_CLEAR(handle);
    return handle;
}

int loop_call_soon_drop(LoopObject *loop, PyObject *callback, PyObject *arg, PyObject *context) {
    PyObject *handle = loop_call_soon(loop, callback, &arg, arg ? 1 : 0, context);
    Py_XDECREF(handle);
    return handle ? 0 : -1;
}

static int missing(const char *method, const char *first, bool has_first, bool has_callback) {
    if (!has_first && !has_callback)
        PyErr_Format(PyExc_TypeError, "%s() missing 2 required positional arguments: '%s' and 'callback'", method, first);
    else
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", method,
                     has_first ? "callback" : first);
    return -1;
}

int take_call_slowly(Call *c, const char *method, const char *first, PyObject *kwnames) {
    const char *const wanted[] = {first, "callback"};
    const Py_ssize_t from = first ? 0 : 1; /* of wanted and of room */
    c->room[0] = c->room[1] = NULL;
    bool by_name = false;
    Py_ssize_t k = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < k; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i), *value = c->args[c->n + i];
        if (name == names.context || PyUnicode_CompareWithASCIIString(name, "context") == 0) {
            if (value != Py_None) c->context = value;
            continue;
        }
        Py_ssize_t place = from;
        while (place < 2 && PyUnicode_CompareWithASCIIString(name, wanted[place]) != 0) place++;
        if (place == 2 || place - from < c->n) {
            PyErr_Format(PyExc_TypeError, place == 2 ? "%s() got an unexpected keyword argument '%U'"
                                                     : "%s() got multiple values for argument '%U'", method, name);
            return -1;
        }
        c->room[place] = value;
        by_name = true;
    }
    for (Py_ssize_t i = 0; from + i < 2 && i < c->n; i++) c->room[from + i] = c->args[i];
    if ((first && !c->room[0]) || !c->room[1]) return missing(method, first, !first || c->room[0], c->room[1]);
    if (by_name) {
        c->args = c->room + from;
        c->n = 2 - from;
    }
    return 0;
}

static PyObject *call_soon(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (take_call(&c, "BaseEventLoop.call_soon", NULL, args, n, kwnames) < 0) return NULL;
    if (check_open(loop) < 0) return NULL;
    if (loop->debug && debug_checks(loop, c.args[0], "call_soon", true) < 0) return NULL;
    return loop_call_soon(loop, c.args[0], c.args + 1, c.n - 1, c.context);
}

static void let_others_run(LoopObject *loop) {
    unsigned long own = PyLong_AsUnsignedLongMask(loop->thread_id);
    if (own == PyThread_get_thread_ident()) return;
    Py_BEGIN_ALLOW_THREADS
    sched_yield();
    Py_END_ALLOW_THREADS
}

static PyObject *call_soon_threadsafe(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    Call c;
    if (take_call(&c, "BaseEventLoop.call_soon_threadsafe", NULL, args, n, kwnames) < 0) return NULL;
    if (check_open(loop) < 0) return NULL;
    if (loop->debug && debug_checks(loop, c.args[0], "call_soon_threadsafe", false) < 0) return NULL;
    PyObject *handle = new_thread_safe_handle(loop, c.args[0], c.args + 1, c.n - 1, c.context);
    if (handle && ready_push(loop, handle) < 0) Py_CLEAR(handle);
    if (handle) loop_wake(loop);
    /* Threads that schedule without a pause would keep the loop from the GIL while its next
     * batch grows: asyncio's let go of it with each call, for a system call; these with a flood. */
    if (handle && loop->ready_len > FLOOD && loop->thread_id != Py_None) let_others_run(loop);
    return handle;
}

/* A handle that a program has made may have any iterable for its arguments; run_callback wants a tuple. */
int check_handle(PyObject *handle) {
    if (!PyObject_TypeCheck(handle, AsyncioHandle_Type)) {
        PyErr_Format(PyExc_TypeError, "A Handle is required here, not %.100s", Py_TYPE(handle)->tp_name);
        return -1;
    }
    HandleObject *h = (HandleObject *)handle;
    if (handle_is_cancelled(handle) || PyTuple_Check(h->args)) return 0;
    PyObject *args = PySequence_Tuple(h->args);
    if (!args) return -1;
    Py_SETREF(h->args, args);
    return 0;
}

static PyObject *add_callback(LoopObject *loop, PyObject *handle) {
    if (check_handle(handle) < 0) return NULL;
    if (!handle_is_cancelled(handle) && ready_push(loop, handle) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *add_callback_signalsafe(LoopObject *loop, PyObject *handle) {
    PyObject *r = add_callback(loop, handle);
    if (r) loop_wake(loop);
    return r;
}

static PyObject *write_to_self(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    loop_wake(loop);
    Py_RETURN_NONE;
}

/* ---- errors ---- */

PyObject *steal_exception(void) { return PyErr_GetRaisedException(); }

bool is_exit_exception(PyObject *exception) {
    return PyErr_GivenExceptionMatches(exception, PyExc_SystemExit) ||
           PyErr_GivenExceptionMatches(exception, PyExc_KeyboardInterrupt);
}

int call_exception_handler(LoopObject *loop, const char *message, PyObject *exception, PyObject *transport,
                           PyObject *protocol) {
    PyObject *context = Py_BuildValue("{s:s,s:O}", "message", message, "exception", exception);
    if (!context) return -1;
    int rc = 0;
    if (transport) rc = PyDict_SetItem(context, names.transport, transport);
    if (rc == 0 && protocol) rc = PyDict_SetItem(context, names.protocol, protocol);
    if (rc == 0) rc = call_method_drop((PyObject *)loop, names.call_exception_handler, context);
    Py_DECREF(context);
    return rc;
}

/* ---- life ---- */

/* The rings and the arena of the loop that was freed last: a program that makes
 * one loop after another maps them once. Guarded by the GIL. */
static struct {
    gl_cqe *cq;
    uint8_t *arena;
    gl_sqe *sq[2];
} spare;

static void take_memory(LoopObject *loop) {
    gl_shared *sh = &loop->shared;
    /* Touched, and so paid for, only as far as they are used. The arena begins with
     * a page: where the kernel copies to an odd multiple of 16 bytes, as malloc gives,
     * the copy of a read took eight times as long on the processor measured. */
    sh->cq = spare.cq ? spare.cq : malloc(CQ_CAP * sizeof *sh->cq);
    sh->arena = spare.arena ? spare.arena : aligned_alloc(4096, ARENA);
    for (int i = 0; i < 2; i++) {
        loop->sq[i] = spare.sq[i] ? spare.sq[i] : malloc(SQ_CAP * sizeof *loop->sq[i]);
        loop->sq_cap[i] = SQ_CAP;
    }
    memset(&spare, 0, sizeof spare);
    /* glibc maps each block anew that is larger than any that was freed, and trims its heap
     * to twice that: a read of 256 KiB then costs 40 us and more, and 1 MiB in pieces and as a
     * whole 500 page faults each time. */
    static bool freed_large;
    if (!freed_large) {
        void *volatile block = malloc(2 << 20);
        free(block);
        freed_large = true;
    }
}

static void give_memory(LoopObject *loop) {
    gl_shared *sh = &loop->shared;
    if (!spare.arena && sh->cq && sh->arena && loop->sq[0] && loop->sq[1]) {
        spare.cq = sh->cq;
        spare.arena = sh->arena;
        memcpy(spare.sq, loop->sq, sizeof spare.sq); /* their capacity may have grown; SQ_CAP fits */
        return;
    }
    free(sh->cq);
    free(sh->arena);
    free(loop->sq[0]);
    free(loop->sq[1]);
}

PyDoc_STRVAR(open_doc, "_open(selector, batched, /)\n--\n\n"
             "Open the engine; batched: it may serve many sockets with one system call.\n\n"
             "Raises ValueError for an unknown selector, OSError from the system.");

static PyObject *loop_open(LoopObject *loop, PyObject *args) {
    const char *selector;
    int batched;
    if (!PyArg_ParseTuple(args, "sp", &selector, &batched)) return NULL;
    if (loop->engine) {
        PyErr_SetString(PyExc_RuntimeError, "the engine of this event loop is open already");
        return NULL;
    }
    ensure_signal_stack();
    gl_shared *sh = &loop->shared;
    sh->wake_fd = sh->poll_fd = sh->batch_fd = -1;
    sh->next_deadline = INT64_MAX;
    sh->cq_cap = CQ_CAP;
    sh->arena_len = ARENA;
    take_memory(loop);
    loop->cq = sh->cq;
    loop->sq_deadline = INT64_MAX;
    loop->sq_epoch = 1;
    loop->generation = process_generation;
    if (!sh->cq || !sh->arena || !loop->sq[0] || !loop->sq[1]) return PyErr_NoMemory();
    if (engine_open(loop, selector, batched) < 0 || clock_look(loop) < 0) return NULL;
    Py_RETURN_NONE;
}

/* Queued writes hold references: let the engine name them before it goes. */
static void release_transports(LoopObject *loop) {
    if (loop->engine <= 0 || loop->generation != process_generation) return;
    for (int fd = 0; fd < loop->fds_len; fd++) {
        FdEntry *e = &loop->fds[fd];
        if (is_transport(e->kind) && !new_sqe(loop, GL_OP_DETACH, fd, e->gen)) PyErr_Clear();
    }
    if (submit_now(loop) < 0) PyErr_Clear();
    while (loop->engine > 0 && loop->shared.backlog > 0) {
        loop->shared.sq_len = 0;
        int32_t n = loop->api->turn(loop->engine, 0);
        if (n <= 0) break;
        loop->cq = loop->shared.cq;
        loop->cq_head = 0;
        loop->cq_len = n;
        completions_clear(loop);
    }
}

PyDoc_STRVAR(close_engine_doc, "_close_engine()\n--\n\nDrop what is scheduled and free the engine.");

static PyObject *loop_close_engine(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    completions_clear(loop);
    accepted_clear(loop);
    release_transports(loop);
    engine_close(loop);
    Py_CLEAR(loop->barred);
    ready_clear(loop);
    owed_clear(loop);
    timers_clear(loop);
    for (int fd = 0; fd < loop->fds_len; fd++)
        if (loop->fds[fd].kind != FD_FREE) fd_release(loop, fd);
    Py_RETURN_NONE;
}

static PyObject *loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    LoopObject *loop = (LoopObject *)type->tp_alloc(type, 0);
    if (!loop) return NULL;
    loop->thread_id = Py_NewRef(Py_None);
    loop->current_handle = Py_NewRef(Py_None);
    loop->generation = process_generation;
    return (PyObject *)loop;
}

static int loop_traverse(LoopObject *loop, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(loop));
    Py_VISIT(loop->current_handle);
    Py_VISIT(loop->barred);
    for (size_t i = 0; i < loop->ready_len; i++) Py_VISIT(loop->ready[(loop->ready_head + i) & (loop->ready_cap - 1)]);
    for (uint32_t i = 0; i < loop->timers_len; i++) Py_VISIT(loop->timers[i].handle);
    for (int i = 0; i < loop->fds_len; i++) {
        if (!is_transport(loop->fds[i].kind) || TRANSPORT(loop->fds[i].owner)->pinned)
            Py_VISIT(loop->fds[i].owner);
        Py_VISIT(loop->fds[i].reader);
        Py_VISIT(loop->fds[i].writer);
        Py_VISIT(loop->fds[i].reader_file);
        Py_VISIT(loop->fds[i].writer_file);
    }
    for (int32_t i = 0; i < loop->accepted_len; i++) Py_VISIT(loop->accepted[i].stream);
    int rc = owed_traverse(loop, visit, arg);
    return rc ? rc : completions_traverse(loop, visit, arg);
}

static int loop_clear(LoopObject *loop) {
    Py_CLEAR(loop->current_handle);
    PyObject *r = loop_close_engine(loop, NULL);
    Py_XDECREF(r);
    return 0;
}

static void loop_dealloc(LoopObject *loop) {
    PyTypeObject *type = Py_TYPE(loop);
    PyObject_GC_UnTrack(loop);
    loop_clear(loop);
    Py_CLEAR(loop->thread_id);
    PyMem_Free(loop->ready);
    nest_free(loop);
    PyMem_Free(loop->fds);
    PyMem_Free(loop->accepted);
    PyMem_Free(loop->timers);
    give_memory(loop);
    type->tp_free(loop);
    Py_DECREF(type);
}

static PyObject *signal_fd(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (engine_usable(loop) < 0) return NULL;
    int32_t fd = loop->api->signal_fd(loop->engine);
    if (fd < 0) {
        engine_error(loop, fd);
        return NULL;
    }
    return PyLong_FromLong(fd);
}

static PyObject *loop_stats(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (engine_usable(loop) < 0) return NULL;
    gl_stats s;
    int32_t rc = loop->api->stats(loop->engine, &s);
    if (rc < 0) {
        engine_error(loop, rc);
        return NULL;
    }
    return Py_BuildValue("{sKsKsKsKsKsKsKsKsKsKsKsKsKsKsKss}", "turns", s.turns, "waits", s.waits, "events", s.events,
                         "submissions", s.submissions, "completions", s.completions, "reads", s.reads, "read_bytes",
                         s.read_bytes, "writes", s.writes, "write_bytes", s.write_bytes, "accepts", s.accepts,
                         "timers_added", s.timers_added, "timers_cancelled", s.timers_cancelled, "timers_fired",
                         s.timers_fired, "overflows", s.overflows, "batches", s.batches, "selector", loop->shared.selector);
}

static PyObject *is_inherited(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(loop->generation != process_generation);
}

static PyObject *inject_panic(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    if (engine_usable(loop) < 0 || !new_sqe(loop, GL_OP_PANIC, -1, 0) || submit_now(loop) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *add_reader(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    return loop_add_watch(loop, args, n, kwnames, false);
}
static PyObject *add_writer(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    return loop_add_watch(loop, args, n, kwnames, true);
}
static PyObject *remove_reader(LoopObject *loop, PyObject *fd) { return loop_remove_watch(loop, fd, false); }
static PyObject *remove_writer(LoopObject *loop, PyObject *fd) { return loop_remove_watch(loop, fd, true); }
static PyObject *readable(LoopObject *loop, PyObject *fd) { return loop_readiness(loop, fd, false); }
static PyObject *writable(LoopObject *loop, PyObject *fd) { return loop_readiness(loop, fd, true); }

PyDoc_STRVAR(call_soon_doc,
             "call_soon(callback, *args, context=None)\n--\n\n"
             "Arrange for callback(*args) to run in the next turn, in order of the calls. Returns an\n"
             "asyncio.Handle. Raises RuntimeError when the loop is closed.");
PyDoc_STRVAR(call_soon_threadsafe_doc,
             "call_soon_threadsafe(callback, *args, context=None)\n--\n\n"
             "call_soon for other threads and signal handlers: a sleeping loop wakes.");
PyDoc_STRVAR(call_later_doc,
             "call_later(delay, callback, *args, context=None)\n--\n\n"
             "Run callback(*args) after delay seconds, never earlier. Returns an asyncio.TimerHandle.");
PyDoc_STRVAR(call_at_doc,
             "call_at(when, callback, *args, context=None)\n--\n\n"
             "Run callback(*args) when time() has reached when, in seconds. Returns an asyncio.TimerHandle.");
PyDoc_STRVAR(time_doc, "time()\n--\n\nSeconds of CLOCK_MONOTONIC as a float, with nanosecond resolution.");
PyDoc_STRVAR(run_once_doc, "_run_once()\n--\n\nTake one turn; called by run_forever, turns until stop().");
PyDoc_STRVAR(readable_doc,
             "_readable(fd)\n--\n\n"
             "An awaitable that ends when fd is readable. The wait is the descriptor's reader until the awaitable\n"
             "is gone: await it at once and keep it nowhere.");

#define FAST(f) (PyCFunction)(void (*)(void))(f)
static PyMethodDef methods[] = {
    {"call_soon", FAST(call_soon), METH_FASTCALL | METH_KEYWORDS, call_soon_doc},
    {"call_soon_threadsafe", FAST(call_soon_threadsafe), METH_FASTCALL | METH_KEYWORDS, call_soon_threadsafe_doc},
    {"call_later", FAST(loop_call_later), METH_FASTCALL | METH_KEYWORDS, call_later_doc},
    {"call_at", FAST(loop_call_at), METH_FASTCALL | METH_KEYWORDS, call_at_doc},
    {"time", FAST(loop_time), METH_NOARGS, time_doc},
    {"_timer_handle_cancelled", FAST(loop_timer_handle_cancelled), METH_O, NULL},
    {"_add_callback", FAST(add_callback), METH_O, NULL},
    {"_add_callback_signalsafe", FAST(add_callback_signalsafe), METH_O, NULL},
    {"_write_to_self", FAST(write_to_self), METH_NOARGS, NULL},
    {"_run_once", FAST(loop_run_once), METH_NOARGS, run_once_doc},
    {"_turn", FAST(loop_turn), METH_O, NULL},
    {"_batch", FAST(loop_batch), METH_O, NULL},
    {"_is_busy", FAST(loop_is_busy), METH_NOARGS, NULL},
    {"_ready_len", FAST(loop_ready_len), METH_NOARGS, NULL},
    {"_ready_pop", FAST(loop_ready_pop), METH_NOARGS, NULL},
    {"_ready_insert", FAST(loop_ready_insert), METH_O, NULL},
    {"_ready_items", FAST(loop_ready_items), METH_NOARGS, NULL},
    {"_take_timers", FAST(loop_take_timers), METH_NOARGS, NULL},
    {"_give_timer", FAST(loop_give_timer), METH_O, NULL},
    {"_connect", FAST(loop_connect), METH_FASTCALL, NULL},
    {"_watched", FAST(loop_watched), METH_NOARGS, NULL},
    {"_watched_fd", FAST(loop_watched_fd), METH_O, NULL},
    {"_open", FAST(loop_open), METH_VARARGS, open_doc},
    {"_close_engine", FAST(loop_close_engine), METH_NOARGS, close_engine_doc},
    {"_signal_fd", FAST(signal_fd), METH_NOARGS, NULL},
    {"_stats", FAST(loop_stats), METH_NOARGS, NULL},
    {"_is_inherited", FAST(is_inherited), METH_NOARGS, NULL},
    {"_inject_panic", FAST(inject_panic), METH_NOARGS, NULL},
    {"_add_reader", FAST(add_reader), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_add_writer", FAST(add_writer), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_remove_reader", FAST(remove_reader), METH_O, NULL},
    {"_remove_writer", FAST(remove_writer), METH_O, NULL},
    {"_readable", FAST(readable), METH_O, readable_doc},
    {"_writable", FAST(writable), METH_O, NULL},
    {"_fd_has_transport", FAST(loop_fd_has_transport), METH_O, NULL},
    {"_getaddrinfo", FAST(loop_getaddrinfo), METH_FASTCALL, NULL},
    {"_getnameinfo", FAST(loop_getnameinfo), METH_FASTCALL, NULL},
    {"_resolve_cancel", FAST(loop_resolve_cancel), METH_O, NULL},
    {"_child_watcher", FAST(loop_child_watcher), METH_O, NULL},
    {"_child", FAST(loop_child), METH_VARARGS, NULL},
    {"_listen", FAST(loop_listen), METH_VARARGS, NULL},
    {"_unlisten", FAST(loop_unlisten), METH_O, NULL},
    {"_is_accepting", FAST(loop_is_accepting), METH_NOARGS, NULL},
    {"_cancel_accepted", FAST(loop_cancel_accepted), METH_NOARGS, NULL},
    {0}};

static PyMemberDef members[] = {
    {"_closed", T_BOOL, offsetof(LoopObject, closed), 0, NULL},
    {"_stopping", T_BOOL, offsetof(LoopObject, stopping), 0, NULL},
    {"_forever", T_BOOL, offsetof(LoopObject, forever), 0, NULL},
    {"_thread_id", T_OBJECT, offsetof(LoopObject, thread_id), 0, NULL},
    {"_current_handle", T_OBJECT, offsetof(LoopObject, current_handle), 0, NULL},
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
PyType_Spec loop_spec = {"goloop._core.Loop", sizeof(LoopObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};
