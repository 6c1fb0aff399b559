/* TLS: what tls.c and tls_read.c share, an SSLProtocol of asyncio.sslproto whose
 * attributes that every message needs are fields. They are read and written with the protocol's guard. */
#ifndef GOLOOP_TLS_H
#define GOLOOP_TLS_H

#include "guard.h"
#include "state.h"

/* Each is the attribute of that name: the standard library's code reads and writes it
 * through a member, never missing once __init__ has run. */
#define TLS_FIELDS(X)                                                                              \
    X(_sslobj) X(_incoming) X(_outgoing) X(_state) X(_transport) X(_ssl_buffer_view)               \
    X(_app_protocol) X(_app_protocol_is_buffer) X(_app_protocol_get_buffer)                        \
    X(_app_protocol_buffer_updated) X(_write_backlog) X(_write_buffer_size)                        \
    X(_ssl_writing_paused) X(_ssl_reading_paused) X(_app_writing_paused) X(_app_reading_paused)    \
    X(_outgoing_high_water) X(_incoming_high_water)

typedef struct SSLProtocolObject {
    PyObject_HEAD
#define X(n) PyObject *n;
    TLS_FIELDS(X)
#undef X
    State *state;
    /* where in a record the bytes end that OpenSSL was given: tls_read.c */
    uint32_t record_left;
    uint8_t head[5], head_len;
    bool unframed;
    bool unread; /* OpenSSL has been given more than it has read, or may have */
} SSLProtocolObject;

#ifdef Py_GIL_DISABLED
static inline PyObject *guard_of_SSLProtocolObject(SSLProtocolObject *p) { return (PyObject *)p; }
#endif

int tls_setup(PyObject *module);

/* Whether the inner object of _sslobj may be called, as ssl.SSLObject's own methods
 * would: the connection is wrapped, and nothing is of a class that a program brought. */
static inline bool tls_ordinary(SSLProtocolObject *p) {
    return p->_state == p->state->tls.wrapped && p->_sslobj && (PyObject *)Py_TYPE(p->_sslobj) == p->state->tls.ssl_object &&
           p->_incoming && (PyObject *)Py_TYPE(p->_incoming) == p->state->tls.memory_bio && p->_outgoing &&
           (PyObject *)Py_TYPE(p->_outgoing) == p->state->tls.memory_bio && p->_write_backlog &&
           (PyObject *)Py_TYPE(p->_write_backlog) == p->state->tls.deque;
}
static inline PyObject *new_inner(SSLProtocolObject *p) { return PyObject_GetAttr(p->_sslobj, p->state->names._sslobj); }
/* A water mark above zero: an empty buffer does not reach it. */
static inline bool tls_above_zero(SSLProtocolObject *p, PyObject *mark) {
    return mark && PyLong_CheckExact(mark) && mark != p->state->tls.zero;
}
/* The method that the standard library's class has for name. */
PyObject *tls_standard(PyObject *class, PyObject *self, PyObject *name, PyObject *arg);
int tls_standard_drop(SSLProtocolObject *p, PyObject *name);
bool tls_again(SSLProtocolObject *p); /* clears an exception that asks for more input */
int tls_failed(SSLProtocolObject *p); /* _fatal_error of an Exception, what else is raised goes on */
int tls_process_outgoing(SSLProtocolObject *p);
bool tls_takes_bytes(State *state, PyObject *protocol); /* whether tls_received may be called for it instead of its methods */

/* tls_read.c */
PyObject *tls_get_buffer(SSLProtocolObject *p, PyObject *sizehint);
PyObject *tls_buffer_updated(SSLProtocolObject *p, PyObject *nbytes);
PyObject *tls_feed(SSLProtocolObject *p, PyObject *data);
PyObject *tls_is_cut(SSLProtocolObject *p, PyObject *ignored);
PyObject *tls_do_read(SSLProtocolObject *p, PyObject *ignored);
int tls_received(PyObject *protocol, const char *data, Py_ssize_t n);

#endif
