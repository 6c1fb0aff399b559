/* Transport, and the tables that the transports' types are put together from. They stand in the types that
 * do not derive from it as well: those of pipe.c, which have one direction only. */
#ifndef GOLOOP_METHODS_H
#define GOLOOP_METHODS_H

#include "ending.h"
#include "flow.h"
#include "named.h"

#include <stddef.h>
#include <structmember.h>

#define CLOSE_DOC "close($self, /)\n--\n\nClose once what is queued has left."

#define COMMON_METHODS                                                                                                 \
    METHOD("is_closing", table_is_closing, METH_NOARGS,                                                               \
           "is_closing($self, /)\n--\n\nWhether close() or abort() was called, or the connection was lost."),                  \
    METHOD("set_protocol", table_set_protocol, METH_FASTCALL | METH_KEYWORDS,                                         \
           "set_protocol($self, protocol)\n--\n\nDeliver to another protocol from now on."),                                  \
    METHOD("get_protocol", table_get_protocol, METH_NOARGS,                                                           \
           "get_protocol($self, /)\n--\n\nThe current protocol, None once the connection is lost."),                           \
    METHOD("_call_connection_lost", table_call_connection_lost, METH_O, NULL),                                        \
    METHOD("_force_close", table_force_close, METH_O, NULL)

#define READING_METHODS                                                                                                \
    METHOD("is_reading", table_is_reading, METH_NOARGS, "is_reading($self, /)\n--\n\nWhether data are delivered."),           \
    METHOD("pause_reading", table_pause_reading, METH_NOARGS,                                                         \
           "pause_reading($self, /)\n--\n\nDeliver nothing until resume_reading()."),                                         \
    METHOD("resume_reading", table_resume_reading, METH_NOARGS, "resume_reading($self, /)\n--\n\nDeliver again."),             \
    METHOD("_start_reading", table_start_reading, METH_NOARGS, NULL)

#define WRITING_METHODS                                                                                                \
    METHOD("abort", table_abort, METH_NOARGS, "abort($self, /)\n--\n\nClose now; what is queued is lost."),                   \
    METHOD("get_write_buffer_size", table_get_write_buffer_size, METH_NOARGS,                                         \
           "get_write_buffer_size($self, /)\n--\n\nBytes that the kernel has not taken."),                                     \
    METHOD("_set_limits", table_set_limits, METH_VARARGS, NULL)

#define COMMON_MEMBERS                                                                                                 \
    {"_loop", T_OBJECT, offsetof(TransportObject, loop), READONLY, NULL},                                              \
    {"_context", T_OBJECT, offsetof(TransportObject, context), READONLY, NULL},                                        \
    {"_closing", T_BOOL, offsetof(TransportObject, closing), READONLY, NULL},                                          \
    {"_lost", T_BOOL, offsetof(TransportObject, lost), READONLY, NULL},                                                \
    {"_attached", T_BOOL, offsetof(TransportObject, attached), READONLY, NULL},                                        \
    {"_pinned", T_BOOL, offsetof(TransportObject, pinned), READONLY, NULL},                                            \
    {"_buffered", T_LONGLONG, offsetof(TransportObject, buffered), READONLY, NULL},                                    \
    {"_low", T_LONGLONG, offsetof(TransportObject, low), READONLY, NULL},                                              \
    {"_high", T_LONGLONG, offsetof(TransportObject, high), READONLY, NULL},                                            \
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TransportObject, weakrefs), READONLY, NULL},                           \
    {"__dictoffset__", T_PYSSIZET, offsetof(TransportObject, dict), READONLY, NULL}

#define COMMON_GETSET                                                                                                  \
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},                                        \
        {"_protocol", table_get_protocol_member, NULL, NULL, NULL}, {"_file", table_get_file, NULL, NULL, NULL}

#define LIFE_SLOTS                                                                                                     \
    {Py_tp_dealloc, transport_dealloc}, {Py_tp_finalize, transport_finalize}, {Py_tp_traverse, transport_traverse},    \
    {Py_tp_clear, transport_clear}

int methods_setup(PyObject *module);
PyTypeObject *new_kind(PyObject *module, PyType_Spec *spec, const char *name); /* over Transport and goloop.transports.name */

/* The functions of the tables: those of methods.c, guarded. */
PyObject *table_close(PyObject *self, PyObject *ignored);
PyObject *table_abort(PyObject *self, PyObject *ignored);
PyObject *table_is_closing(PyObject *self, PyObject *ignored);
PyObject *table_get_protocol(PyObject *self, PyObject *ignored);
PyObject *table_is_reading(PyObject *self, PyObject *ignored);
PyObject *table_start_reading(PyObject *self, PyObject *ignored);
PyObject *table_pause_reading(PyObject *self, PyObject *ignored);
PyObject *table_resume_reading(PyObject *self, PyObject *ignored);
PyObject *table_get_write_buffer_size(PyObject *self, PyObject *ignored);
PyObject *table_force_close(PyObject *self, PyObject *exception);
PyObject *table_call_connection_lost(PyObject *self, PyObject *exception);
PyObject *table_set_protocol(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *table_set_limits(PyObject *self, PyObject *args);
PyObject *table_get_protocol_member(PyObject *self, void *closure);
PyObject *table_get_file(PyObject *self, void *closure);

int transport_traverse(PyObject *self, visitproc visit, void *arg);
int transport_clear(PyObject *self);
void transport_finalize(PyObject *self);
void transport_dealloc(PyObject *self);

/* A getter of a transport t around an expression, which gives a new reference, or NULL: None, or an exception. */
#define GETTER(function, expression)                                                                                   \
    PyObject *function(PyObject *self, void *ignored) {                                                                \
        TransportObject *t = TRANSPORT(self);                                                                          \
        PyObject *value;                                                                                               \
        (void)ignored;                                                                                                 \
        GUARD(t->loop->guard)                                                                                          \
        value = expression;                                                                                            \
        UNGUARD                                                                                                        \
        return value || PyErr_Occurred() ? value : Py_NewRef(Py_None);                                                 \
    }

/* A method of one argument around f(self, argument). */
#define TAKES_ONE(function, method, name, type, f)                                                                     \
    PyObject *function(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {                       \
        PyObject *argument = borrow_argument(self, method, name, args, n, kwnames), *result = NULL;                    \
        if (!argument) return NULL;                                                                                    \
        GUARD(TRANSPORT(self)->loop->guard)                                                                            \
        result = f((type *)self, argument);                                                                            \
        UNGUARD                                                                                                        \
        return result;                                                                                                 \
    }

#endif
