#include "listener.h"

ListenerObject *new_listener(LoopObject *loop) {
    ListenerObject *l = PyObject_GC_New(ListenerObject, loop->state->types.Listener);
    if (!l) return NULL;
    memset((char *)l + sizeof(PyObject), 0, sizeof *l - sizeof(PyObject));
    l->loop = loop;
    return l;
}

#define REFERENCES(X) X(factory) X(server) X(sock) X(context) X(sockname)

static int listener_traverse(ListenerObject *l, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(l));
#define X(n) Py_VISIT(l->n);
    REFERENCES(X)
#undef X
    return 0;
}

static int listener_clear(ListenerObject *l) {
#define X(n) Py_CLEAR(l->n);
    REFERENCES(X)
#undef X
    return 0;
}

static PyType_Slot slots[] = {
    {Py_tp_dealloc, object_dealloc}, {Py_tp_traverse, listener_traverse}, {Py_tp_clear, listener_clear}, {0, NULL}};
static PyType_Spec spec = {"goloop._core._Listener", sizeof(ListenerObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

int listener_setup(PyObject *module) {
    return (state_of(module)->types.Listener = new_type(module, &spec, NULL)) ? 0 : -1;
}
