/* The module's state: made with the module, gone with its last object. */
#include "state.h"

#include <stddef.h>
#include <structmember.h>

PyObject *import_attribute(const char *module, const char *name) {
    PyObject *m = PyImport_ImportModule(module);
    PyObject *value = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return value;
}

PyObject *call_class(PyObject *class, PyObject *name, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    PyObject *function = PyObject_GetAttr(class, name), *method = function ? PyMethod_New(function, self) : NULL;
    PyObject *result = method ? PyObject_Vectorcall(method, args, (size_t)n, kwnames) : NULL;
    Py_XDECREF(method);
    Py_XDECREF(function);
    return result;
}

/* The values that a dict of goloop.standard has under these names; NULL: the names themselves. */
static int take(PyObject *standard, const char *dict, const char *const *names, size_t n, PyObject **to) {
    PyObject *all = dict ? PyObject_GetAttrString(standard, dict) : NULL;
    if (dict && !all) return -1;
    size_t i = 0;
    for (; i < n && (to[i] = all ? PyMapping_GetItemString(all, names[i]) : PyUnicode_InternFromString(names[i])); i++)
        if (to[i] == Py_None) Py_CLEAR(to[i]);
    Py_XDECREF(all);
    return i == n ? 0 : -1;
}

int state_fill(State *state) {
#define X(n) #n,
    static const char *const texts[] = {NAMES(X)}, *const imports[] = {IMPORTS(X)}, *const tls[] = {TLS_IMPORTS(X)}, *const tasks[] = {TASK_IMPORTS(X)},
                      *const lookups[] = {LOOKUP_IMPORTS(X)}, *const plain[] = {PLAIN_IMPORTS(X)},
                      *const classes[] = {STREAM_CLASSES(X)}, *const path[] = {STREAM_PATH(X)},
                      *const reader[] = {READER_NAMES(X)}, *const protocol[] = {PROTOCOL_NAMES(X)},
                      *const callbacks[] = {CALLBACK_NAMES(X)};
#undef X
#define LIST(names, to) names, sizeof names / sizeof *names, (PyObject **)(to)
    const struct {
        const char *dict, *const *names;
        size_t n;
        PyObject **to;
    } lists[] = {{NULL, LIST(texts, &state->names)},
                 {NULL, LIST(path, state->streams.method_names)},
                 {NULL, LIST(reader, state->streams.reader_fields)},
                 {NULL, LIST(protocol, state->streams.protocol_fields)},
                 {"imports", LIST(imports, &state->imports)},
                 {"tls", LIST(tls, &state->tls)},
                 {"task_imports", LIST(tasks, &state->tasks)},
                 {"lookups", LIST(lookups, &state->lookups)},
                 {"plain", LIST(plain, &state->plain)},
                 {"stream_classes", LIST(classes, &state->streams)},
                 {"stream_methods", LIST(path, state->streams.methods)},
                 {"stream_functions", LIST(path, state->streams.functions)},
                 {"stream_codes", LIST(path, state->streams.codes)},
                 {"callback_names", LIST(callbacks, state->callback_names)}};
#undef LIST
    PyObject *standard = PyImport_ImportModule("goloop.standard");
    int rc = standard ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < sizeof lists / sizeof *lists; i++)
        rc = take(standard, lists[i].dict, lists[i].names, lists[i].n, lists[i].to);
    Py_XDECREF(standard);
    return rc == 0 && (state->no_hint = PyLong_FromLong(-1)) ? 0 : -1;
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
    Py_XDECREF(atomic_exchange(&state->reserve, NULL));
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

void object_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    type->tp_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyTypeObject *new_type(PyObject *module, PyType_Spec *spec, PyObject *base) {
    PyObject *type = PyType_FromModuleAndSpec(module, spec, base);
    if (type && PyModule_AddType(module, (PyTypeObject *)type) < 0) Py_CLEAR(type);
    return (PyTypeObject *)type;
}

static bool lies_at(PyObject *type, const Place *place) {
    if (!place->name) return !place->offset || ((PyTypeObject *)type)->tp_basicsize == place->offset;
    PyObject *slot = PyObject_GetAttrString(type, place->name);
    bool same = slot && Py_IS_TYPE(slot, &PyMemberDescr_Type) && ((PyMemberDescrObject *)slot)->d_member->offset == place->offset;
    Py_XDECREF(slot);
    return same;
}

PyTypeObject *new_type_over(PyObject *module, PyType_Spec *spec, const char *base_module, const char *name, const Place *places) {
    PyObject *base = import_attribute(base_module, name);
    bool same = base;
    while (same && (same = lies_at(base, places)) && places->name) places++;
    PyTypeObject *type = same ? new_type(module, spec, base) : NULL;
    if (base && !same)
        PyErr_Format(PyExc_ImportError, "goloop: this CPython lays out asyncio's %s differently: %s", name,
                     places->name ? places->name : "its size");
    Py_XDECREF(base);
    return type;
}
