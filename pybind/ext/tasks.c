/* Tasks and futures of the loop: asyncio's own classes, called without the Python code that BaseEventLoop
 * calls them by. That code is called in debug mode, for a closed loop, by a task factory, with unusual arguments,
 * and when a program has replaced it. The classes are those that asyncio's modules hold at the time. */
#include "tasks.h"

/* Whether asyncio's loop still has its own methods. As long as it has the same version nothing has changed about it,
 * but for the code of a function, which is no change of a class. */
static bool base_is_own(State *state) {
    TaskImports *own = &state->tasks;
    uint64_t version = class_version((PyTypeObject *)own->base), seen = atomic_load(&state->tasks_seen);
    bool same = seen & 1;
    if (!version || version != seen >> 1) {
        same = attribute_is(own->base, state->names.create_task, own->create_task) &&
               attribute_is(own->base, state->names.create_future, own->create_future);
        atomic_store(&state->tasks_seen, (uint64_t)class_version((PyTypeObject *)own->base) << 1 | same);
    }
    return same && own->task_code && PyFunction_GET_CODE(own->create_task) == own->task_code && own->future_code &&
           PyFunction_GET_CODE(own->create_future) == own->future_code;
}

PyObject *call_base(LoopObject *loop, PyObject *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    return call_class(loop->state->tasks.base, name, (PyObject *)loop, args, n, kwnames);
}

/* A class as asyncio's module has it now, or NULL without an exception. */
static PyObject *new_class(PyObject *dict, PyObject *name) {
    PyObject *class = NULL;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyDict_GetItemRef(dict, name, &class) < 0) PyErr_Clear();
#else
    if (!(class = Py_XNewRef(PyDict_GetItemWithError(dict, name)))) PyErr_Clear();
#endif
    return class;
}

/* (coro,), of which the C classes keep nothing: the loop has one, for the next. */
static PyObject *new_arguments(LoopObject *loop, PyObject *coro) {
    PyObject *arguments = loop->arguments;
    if (!arguments || Py_REFCNT(arguments) != 1) return PyTuple_Pack(1, coro); /* a debugger may look at it */
    loop->arguments = NULL;
    Py_DECREF(PyTuple_GET_ITEM(arguments, 0)); /* None */
    PyTuple_SET_ITEM(arguments, 0, Py_NewRef(coro));
    return arguments;
}

static void arguments_give_back(LoopObject *loop, PyObject *arguments) {
    if (loop->arguments || Py_REFCNT(arguments) != 1) {
        Py_DECREF(arguments);
        return;
    }
    PyObject *coro = PyTuple_GET_ITEM(arguments, 0);
    PyTuple_SET_ITEM(arguments, 0, Py_NewRef(Py_None));
    loop->arguments = arguments;
    Py_DECREF(coro);
}

/* {"loop": loop}, eager: {"loop": loop, "eager_start": True}. The C classes only read the dict of their keywords, so there is one
 * for all of a run, which the loop's thread alone uses: while there is none, nothing of ours keeps a loop alive. NULL with an exception. */
static PyObject *borrow_keywords(LoopObject *loop, bool eager) {
    PyObject **kept = &loop->keywords[eager];
    if (*kept) return *kept;
    *kept = PyDict_New();
    if (*kept && PyDict_SetItem(*kept, loop->state->names.loop, (PyObject *)loop) == 0 &&
        (!eager || PyDict_SetItem(*kept, loop->state->names.eager_start, Py_True) == 0))
        return *kept;
    Py_CLEAR(*kept);
    return NULL;
}

static bool runs_here(LoopObject *loop) { return atomic_load_explicit(&loop->runner, memory_order_relaxed) == own_thread(); }

/* class(loop=loop), class(coro, loop=loop), of asyncio's C class in the loop's thread with eager_start=True as well. */
static PyObject *new_instance(LoopObject *loop, PyObject *class, PyObject *coro, bool eager) {
    TaskImports *own = &loop->state->tasks;
    if ((class != own->c_task && class != own->c_future) || !runs_here(loop)) {
        PyObject *argv[3] = {NULL, coro ? coro : (PyObject *)loop, (PyObject *)loop};
        return PyObject_Vectorcall(class, argv + 1, (coro ? 1 : 0) | PY_VECTORCALL_ARGUMENTS_OFFSET, own->loop_keyword);
    }
    PyObject *keywords = Py_XNewRef(borrow_keywords(loop, eager)); /* a nested run may end */
    if (!keywords) return NULL;
    PyObject *arguments = coro ? new_arguments(loop, coro) : PyTuple_New(0), *instance = NULL;
    if (arguments) {
        instance = PyObject_Call(class, arguments, keywords);
        if (coro)
            arguments_give_back(loop, arguments);
        else
            Py_DECREF(arguments);
    }
    Py_DECREF(keywords);
    return instance;
}

void tasks_run_ended(LoopObject *loop) {
    Py_CLEAR(loop->keywords[0]);
    Py_CLEAR(loop->keywords[1]);
    Py_CLEAR(loop->arguments);
}

/* Whether BaseEventLoop hands the keyword on to Task. */
static bool is_of_task(State *state, PyObject *name) {
    if (name == state->names.name) return true;
    if (name == state->names.context) return PY_VERSION_HEX >= 0x030B0000;
    return PY_VERSION_HEX >= 0x030E0000 && name == state->names.eager_start;
}

/* ("loop", and n names) */
static PyObject *new_keywords(State *state, PyObject *const *names, Py_ssize_t n) {
    PyObject *keywords = PyTuple_New(1 + n);
    if (!keywords) return NULL;
    PyTuple_SET_ITEM(keywords, 0, Py_NewRef(state->names.loop));
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(keywords, 1 + i, Py_NewRef(names[i]));
    return keywords;
}

/* create_task(coro, *, name=None, context=None, eager_start=None, ...) */
PyObject *method_create_task(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    State *state = loop->state;
    enum { KEYWORDS = 3 };
    PyObject *argv[3 + KEYWORDS] = {NULL, n == 1 ? args[0] : NULL, (PyObject *)loop}, *names[KEYWORDS];
    Py_ssize_t given = kwnames ? PyTuple_GET_SIZE(kwnames) : 0, kept = 0;
    bool usual = n == 1 && given <= KEYWORDS && !loop->debug && !loop->closed &&
                 loop->task_factory == Py_None && base_is_own(state);
    for (Py_ssize_t i = 0; usual && i < given; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        usual = is_of_task(state, name);
        if (args[n + i] == Py_None) continue; /* to asyncio's own class as if it had not been given */
        names[kept] = name;
        argv[3 + kept++] = args[n + i];
    }
    PyObject *class = usual ? new_class(state->tasks.tasks, state->names.Task) : NULL;
    if (class != state->tasks.c_task) Py_CLEAR(class); /* which may ask what was given: asyncio hands None on, too */
    if (!class) return call_base(loop, state->names.create_task, args, n, kwnames);
    PyObject *task = NULL, *keywords = NULL;
    bool eager = kept == 1 && names[0] == state->names.eager_start && argv[3] == Py_True && runs_here(loop);
    if (kept == 0 || eager)
        task = new_instance(loop, class, args[0], eager);
    else
        keywords = new_keywords(state, names, kept);
    if (keywords) task = PyObject_Vectorcall(class, argv + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, keywords);
    Py_XDECREF(keywords);
    Py_DECREF(class);
    return task;
}

PyObject *method_create_future(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    State *state = loop->state;
    PyObject *class = !loop->debug && base_is_own(state) ? new_class(state->tasks.futures, state->names.Future) : NULL;
    if (!class) return call_base(loop, state->names.create_future, NULL, 0, NULL);
    PyObject *future = new_instance(loop, class, NULL, false);
    Py_DECREF(class);
    return future;
}

PyObject *new_future(LoopObject *loop) {
    return PyObject_CallMethodNoArgs((PyObject *)loop, loop->state->names.create_future);
}

/* What decides is what asyncio's methods of running have set. */
PyObject *method_is_running(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    PyObject *thread = __atomic_load_n(&loop->thread_id, __ATOMIC_RELAXED);
    return PyBool_FromLong(thread && thread != Py_None);
}

PyObject *method_get_debug(LoopObject *loop, PyObject *ignored) {
    (void)ignored;
    return PyBool_FromLong(loop->debug);
}
