/* The module: its functions, and its state. */
#include "accept.h"
#include "arrival.h"
#include "attached.h"
#include "capacity.h"
#include "control.h"
#include "datagram.h"
#include "engine.h"
#include "handle.h"
#include "looptype.h"
#include "methods.h"
#include "pipe.h"
#include "plain.h"
#include "reader.h"
#include "readiness.h"
#include "snapshot.h"
#include "stream.h"
#include "threadsafe.h"
#include "timer.h"
#include "tls.h"

static int module_exec(PyObject *module) {
    State *state = state_of(module);
#if PY_VERSION_HEX < 0x030D0000
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        return raise_text(PyExc_ImportError, "module goloop._core does not support loading in subinterpreters");
    }
#endif
    if (guard_check() < 0 || state_fill(state) < 0 || reader_setup(state) < 0) return -1;
    int (*const setups[])(PyObject *) = {snapshot_setup, handle_setup, timer_setup, thread_safe_handle_setup, methods_setup,
                                         stream_setup, pipe_setup, datagram_setup, readiness_setup,
                                         arrival_setup, attached_setup,
                                         tls_setup, loop_setup};
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++)
        if (setups[i](module) < 0) return -1;
    if (PyModule_AddObjectRef(module, "Socket", state->imports.socket) < 0) return -1;
    static const struct {
        const char *name;
        int value;
    } constants[] = {{"START_BESIDES", GL_START_BESIDES},
                     {"START_PROCS_LEAST", GL_START_PROCS_LEAST},
                     {"OP_CHILD", GL_OP_CHILD},
                     {"OP_RESOLVE", GL_OP_RESOLVE},
                     {"OP_PANIC", GL_OP_PANIC},
                     {"RESOLVE_CANCEL", GL_RESOLVE_CANCEL},
                     {"CHILD_ADD", GL_CHILD_ADD},
                     {"CHILD_REMOVE", GL_CHILD_REMOVE},
                     {"CHILD_KILL", GL_CHILD_KILL},
                     {"CHILD_SCAN", GL_CHILD_SCAN},
                     {"CHILD_CHOOSE", GL_CHILD_CHOOSE},
                     {"CHILD_SIGCHLD", GL_CHILD_SIGCHLD}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) return -1;
    return 0;
}

/* The types are gone with the last of their objects, or go with this. */
static void module_free(void *module) {
    State *state = state_of(module);
    if (!state) return;
    handles_keep(state, 0);
    state_free(state);
}

static PyMethodDef functions[] = {
    {"load_engine", load_engine, METH_VARARGS, NULL},
    {"engine_lacking", engine_lacking, METH_NOARGS, NULL},
    {"count_threads", count_threads, METH_O, NULL},
    {"stack_size", stack_size, METH_NOARGS, NULL},
    {"memory_file", memory_file, METH_NOARGS, NULL},
    {"control_module", control_module, METH_NOARGS, NULL},
    {"are_plain", are_plain, METH_NOARGS, NULL},
    {"accepts_plain", accepts_plain, METH_NOARGS, NULL},
    {0}};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
                                   {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
                                   {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                                   {0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                        "_core",
                                        "CPython types of goloop's event loop. Importing it starts no thread and no Go runtime.",
                                        sizeof(State),
                                        functions,
                                        slots,
                                        state_traverse,
                                        NULL,
                                        module_free};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
