/* The module's tables: interned names, imports, types, functions. */
#include "core.h"

Names names;
Imports imports;

extern PyType_Spec loop_spec;
PyObject *connected_stream(PyObject *module, PyObject *args);
PyObject *connected_pipe(PyObject *module, PyObject *args);
PyObject *datagram_transport(PyObject *module, PyObject *args);
PyObject *is_plain(PyObject *module, PyObject *sock);
PyObject *accepts_plain(PyObject *module, PyObject *ignored);

static int intern_names(void) {
#define X(n)                                                                                       \
    if (!(names.n = PyUnicode_InternFromString(#n))) return -1;
    NAMES(X)
#undef X
    return 0;
}

static PyObject *import(const char *module, const char *name) {
    PyObject *m = PyImport_ImportModule(module);
    PyObject *value = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return value;
}

static int import_all(void) {
    imports.transport_socket = import("asyncio.trsock", "TransportSocket");
    imports.gaierror = imports.transport_socket ? import("socket", "gaierror") : NULL;
    imports.lock = imports.gaierror ? import("threading", "Lock") : NULL;
    imports.buffered_protocol = imports.lock ? import("asyncio.protocols", "BufferedProtocol") : NULL;
    imports.extract_stack = imports.buffered_protocol ? import("asyncio.format_helpers", "extract_stack") : NULL;
    imports.flow_control = imports.extract_stack ? import("asyncio.streams", "FlowControlMixin") : NULL;
    imports.ssl_protocol = imports.flow_control ? import("asyncio.sslproto", "SSLProtocol") : NULL;
    PyObject *logger = imports.ssl_protocol ? import("asyncio.log", "logger") : NULL;
    imports.logger_warning = logger ? PyObject_GetAttrString(logger, "warning") : NULL;
    Py_XDECREF(logger);
    return imports.logger_warning ? 0 : -1;
}

static int module_exec(PyObject *module) {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "module goloop._core does not support loading in subinterpreters");
        return -1;
    }
    if (intern_names() < 0 || import_all() < 0 || plain_setup() < 0 || handle_setup(module) < 0 || transport_setup(module) < 0 ||
        stream_setup(module) < 0 || pipe_setup(module) < 0 || datagram_setup(module) < 0 || server_setup(module) < 0 ||
        readiness_setup(module) < 0 || nested_setup(module) < 0 || tls_setup(module) < 0)
        return -1;
    Loop_Type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &loop_spec, NULL);
    if (!Loop_Type) return -1;
    if (PyModule_AddType(module, Loop_Type) < 0 || PyModule_AddObjectRef(module, "Socket", imports.socket) < 0) return -1;
    static const struct {
        const char *name;
        int value;
    } constants[] = {{"CHILD_ADD", GL_CHILD_ADD},
                     {"CHILD_REMOVE", GL_CHILD_REMOVE},
                     {"CHILD_KILL", GL_CHILD_KILL},
                     {"CHILD_SCAN", GL_CHILD_SCAN},
                     {"CHILD_SIGCHLD", GL_CHILD_SIGCHLD}};
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) return -1;
    return 0;
}

static PyMethodDef functions[] = {
    {"engine_info", engine_info, METH_NOARGS, "engine_info()\n--\n\nA dict: whether this process has loaded the engine, and its path."},
    {"connected_stream", connected_stream, METH_VARARGS, NULL},
    {"connected_pipe", connected_pipe, METH_VARARGS, NULL},
    {"datagram_transport", datagram_transport, METH_VARARGS, NULL},
    {"is_plain", is_plain, METH_O, NULL},
    {"accepts_plain", accepts_plain, METH_NOARGS, NULL},
    {0}};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
                                   {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
                                   {0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                        "_core",
                                        "CPython types of goloop's event loop. Importing it starts no thread and no Go runtime.",
                                        0,
                                        functions,
                                        slots,
                                        NULL,
                                        NULL,
                                        NULL};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
