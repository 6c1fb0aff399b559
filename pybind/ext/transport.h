/* The tables that the transports' types are put together from. What is here is in
 * transport.c, and stands in the types that do not derive from Transport as well:
 * those of pipe.c, which have one direction only. */
#ifndef GOLOOP_TRANSPORT_H
#define GOLOOP_TRANSPORT_H

#include "core.h"

#include <structmember.h>

#define METHOD(name, f, flags, doc) {name, (PyCFunction)(void (*)(void))(f), flags, doc}

#define CLOSE_DOC "close()\n--\n\nClose once what is queued has left."
#define RESUME_DOC "resume_reading()\n--\n\nDeliver again."

#define COMMON_METHODS                                                                                                 \
    METHOD("is_closing", method_is_closing, METH_NOARGS,                                                               \
           "is_closing()\n--\n\nWhether close() or abort() was called, or the connection was lost."),                  \
    METHOD("set_protocol", method_set_protocol, METH_FASTCALL | METH_KEYWORDS,                                         \
           "set_protocol(protocol)\n--\n\nDeliver to another protocol from now on."),                                  \
    METHOD("get_protocol", method_get_protocol, METH_NOARGS,                                                           \
           "get_protocol()\n--\n\nThe current protocol, None once the connection is lost."),                           \
    METHOD("_call_connection_lost", method_call_connection_lost, METH_O, NULL)

#define READING_METHODS                                                                                                \
    METHOD("is_reading", method_is_reading, METH_NOARGS, "is_reading()\n--\n\nWhether data are delivered."),           \
    METHOD("pause_reading", method_pause_reading, METH_NOARGS,                                                         \
           "pause_reading()\n--\n\nDeliver nothing until resume_reading().")

#define WRITING_METHODS                                                                                                \
    METHOD("abort", method_abort, METH_NOARGS, "abort()\n--\n\nClose now; what is queued is lost."),                   \
    METHOD("get_write_buffer_size", method_get_write_buffer_size, METH_NOARGS,                                         \
           "get_write_buffer_size()\n--\n\nBytes that the kernel has not taken."),                                     \
    METHOD("get_write_buffer_limits", method_get_write_buffer_limits, METH_NOARGS,                                     \
           "get_write_buffer_limits()\n--\n\n(low, high) in bytes."),                                                  \
    METHOD("set_write_buffer_limits", method_set_write_buffer_limits, METH_VARARGS | METH_KEYWORDS,                    \
           "set_write_buffer_limits(high=None, low=None)\n--\n\n"                                                      \
           "Bytes at which pause_writing and resume_writing are called. Raises ValueError.")

#define COMMON_MEMBERS                                                                                                 \
    {"_loop", T_OBJECT, offsetof(TransportObject, loop), READONLY, NULL},                                              \
    {"_protocol", T_OBJECT, offsetof(TransportObject, protocol), READONLY, NULL},                                      \
    {"_context", T_OBJECT, offsetof(TransportObject, context), READONLY, NULL},                                        \
    {"_closing", T_BOOL, offsetof(TransportObject, closing), READONLY, NULL},                                          \
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TransportObject, weakrefs), READONLY, NULL},                           \
    {"__dictoffset__", T_PYSSIZET, offsetof(TransportObject, dict), READONLY, NULL}

#define DICT_GETSET {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL}

#define LIFE_SLOTS                                                                                                     \
    {Py_tp_dealloc, transport_dealloc}, {Py_tp_finalize, transport_finalize}, {Py_tp_traverse, transport_traverse},    \
    {Py_tp_clear, transport_clear}

PyObject *method_close(TransportObject *t, PyObject *ignored);
PyObject *method_abort(TransportObject *t, PyObject *ignored);
PyObject *method_is_closing(TransportObject *t, PyObject *ignored);
PyObject *method_set_protocol(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *method_get_protocol(TransportObject *t, PyObject *ignored);
PyObject *method_is_reading(TransportObject *t, PyObject *ignored);
PyObject *method_start_reading(TransportObject *t, PyObject *ignored);
PyObject *method_pause_reading(TransportObject *t, PyObject *ignored);
PyObject *method_resume_reading(TransportObject *t, PyObject *ignored);
PyObject *method_get_write_buffer_size(TransportObject *t, PyObject *ignored);
PyObject *method_get_write_buffer_limits(TransportObject *t, PyObject *ignored);
PyObject *method_set_write_buffer_limits(TransportObject *t, PyObject *args, PyObject *kwargs);
PyObject *get_paused(TransportObject *t, void *closure);
void transport_finalize(PyObject *self);
/* extra.c */
void transport_keep_local(TransportObject *t); /* the local address, while the descriptor is open */
PyObject *transport_borrow_sock(TransportObject *t);
PyObject *method_get_extra_info(TransportObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);

void transport_dealloc(PyObject *self);

/* The only argument of a method, by its place or by its name; NULL with TypeError. Borrows. */
PyObject *borrow_named(PyObject *self, const char *method, const char *name, PyObject *const *args, Py_ssize_t n,
                       PyObject *kwnames);
static inline PyObject *borrow_argument(PyObject *self, const char *method, const char *name, PyObject *const *args,
                                        Py_ssize_t n, PyObject *kwnames) {
    return n == 1 && !kwnames ? args[0] : borrow_named(self, method, name, args, n, kwnames);
}

/* A method of one argument around f(self, argument). */
#define TAKES_ONE(function, method, name, type, f)                                                                     \
    PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {                \
        PyObject *argument = borrow_argument(self, method, name, args, n, kwnames);                                    \
        return argument ? f((type *)self, argument) : NULL;                                                            \
    }

static inline PyObject *none_or_null(int rc) {
    if (rc < 0) return NULL;
    Py_RETURN_NONE;
}

#endif
