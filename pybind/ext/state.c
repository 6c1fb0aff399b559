/* The module's state: made with the module, gone with its last object. */
#include "state.h"

#include <stddef.h>
#include <structmember.h>

static int intern_names(Names *names) {
#define X(n)                                                                                       \
    if (!(names->n = PyUnicode_InternFromString(#n))) return -1;
    NAMES(X)
#undef X
    return 0;
}

PyObject *import_attribute(const char *module, const char *name) {
    PyObject *m = PyImport_ImportModule(module);
    PyObject *value = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return value;
}

static int import_all(Imports *imports) {
    const struct {
        PyObject **to;
        const char *module, *name;
    } table[] = {
        {&imports->transport_socket, "asyncio.trsock", "TransportSocket"},
        {&imports->gaierror, "socket", "gaierror"},
        {&imports->lock, "threading", "Lock"},
        {&imports->buffered_protocol, "asyncio.protocols", "BufferedProtocol"},
        {&imports->extract_stack, "asyncio.format_helpers", "extract_stack"},
        {&imports->flow_control, "asyncio.streams", "FlowControlMixin"},
        {&imports->ssl_protocol, "asyncio.sslproto", "SSLProtocol"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!(*table[i].to = import_attribute(table[i].module, table[i].name))) return -1;
    PyObject *logger = import_attribute("asyncio.log", "logger");
    imports->logger_warning = logger ? PyObject_GetAttrString(logger, "warning") : NULL;
    Py_XDECREF(logger);
    return imports->logger_warning ? 0 : -1;
}

int state_fill(State *state) {
    if (intern_names(&state->names) < 0 || import_all(&state->imports) < 0) return -1;
    return (state->no_hint = PyLong_FromLong(-1)) ? 0 : -1;
}

enum { REFERENCES = offsetof(State, reserve) / sizeof(PyObject *) };

/* Nothing is cleared while objects of the module may live: the types give their module up themselves. */
int state_traverse(PyObject *module, visitproc visit, void *arg) {
    State *state = state_of(module);
    PyObject **references = (PyObject **)state;
    for (size_t i = 0; state && i < REFERENCES; i++) Py_VISIT(references[i]);
    return 0;
}

void state_free(State *state) {
    PyObject **references = (PyObject **)state;
    for (size_t i = 0; i < REFERENCES; i++) Py_CLEAR(references[i]);
    PyMem_RawFree(atomic_exchange(&state->reserve, NULL));
}

PyObject *borrow_module(PyTypeObject *type) {
    for (; type; type = type->tp_base) {
        if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) continue;
        PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
        PyModuleDef *definition = module ? PyModule_GetDef(module) : NULL;
        if (definition && definition->m_traverse == state_traverse) return module;
        PyErr_Clear();
    }
    return NULL;
}

PyTypeObject *new_type(PyObject *module, PyType_Spec *spec, PyObject *base) {
    PyObject *bases = base ? PyTuple_Pack(1, base) : NULL;
    if (base && !bases) return NULL;
    PyObject *type = PyType_FromModuleAndSpec(module, spec, bases);
    Py_XDECREF(bases);
    if (type && PyModule_AddType(module, (PyTypeObject *)type) < 0) Py_CLEAR(type);
    return (PyTypeObject *)type;
}

int check_slot(PyObject *type, const char *name, Py_ssize_t offset) {
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    if (!descriptor) return -1;
    bool same = Py_IS_TYPE(descriptor, &PyMemberDescr_Type) &&
                ((PyMemberDescrObject *)descriptor)->d_member->offset == offset;
    Py_DECREF(descriptor);
    if (same) return 0;
    PyErr_Format(PyExc_ImportError, "goloop: this CPython lays out asyncio's %s.%s differently", ((PyTypeObject *)type)->tp_name,
                 name);
    return -1;
}
