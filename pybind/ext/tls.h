/* What tls.c and tls_read.c share: an SSLProtocol of asyncio.sslproto whose
 * attributes that every message needs are fields. */
#ifndef GOLOOP_TLS_H
#define GOLOOP_TLS_H

#include "core.h"

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
    /* where in a record the bytes end that OpenSSL was given: tls_read.c */
    uint32_t record_left;
    uint8_t head[5], head_len;
    bool unframed;
} SSLProtocolObject;

/* Of asyncio.sslproto and ssl; protocol is NULL where there is no ssl. */
typedef struct {
    PyObject *protocol;     /* sslproto.SSLProtocol */
    PyObject *transport;    /* sslproto._SSLProtocolTransport */
    PyObject *again_errors; /* sslproto.SSLAgainErrors */
    PyObject *wrapped;      /* sslproto.SSLProtocolState.WRAPPED */
    PyObject *ssl_object;   /* ssl.SSLObject */
    PyObject *memory_bio;   /* ssl.MemoryBIO */
    PyObject *deque;        /* collections.deque */
    PyObject *zero;
} TLSImports;
extern TLSImports tls;

/* Whether the inner object of _sslobj may be called, as ssl.SSLObject's own methods
 * would: the connection is wrapped, and nothing is of a class that a program brought. */
static inline bool tls_ordinary(SSLProtocolObject *p) {
    return p->_state == tls.wrapped && p->_sslobj && (PyObject *)Py_TYPE(p->_sslobj) == tls.ssl_object &&
           p->_incoming && (PyObject *)Py_TYPE(p->_incoming) == tls.memory_bio && p->_outgoing &&
           (PyObject *)Py_TYPE(p->_outgoing) == tls.memory_bio && p->_write_backlog &&
           (PyObject *)Py_TYPE(p->_write_backlog) == tls.deque;
}
static inline PyObject *new_inner(SSLProtocolObject *p) { return PyObject_GetAttr(p->_sslobj, names._sslobj); }
/* A water mark above zero: an empty buffer does not reach it. */
static inline bool tls_above_zero(PyObject *mark) { return mark && PyLong_CheckExact(mark) && mark != tls.zero; }
/* The method that the standard library's class has for name. */
PyObject *tls_standard(PyObject *class, PyObject *self, PyObject *name, PyObject *arg);
int tls_standard_drop(SSLProtocolObject *p, PyObject *name);
bool tls_again(void); /* clears an exception that asks for more input */
int tls_failed(SSLProtocolObject *p); /* _fatal_error of an Exception, what else is raised goes on */
int tls_process_outgoing(SSLProtocolObject *p);

/* tls_read.c */
PyObject *tls_get_buffer(SSLProtocolObject *p, PyObject *sizehint);
PyObject *tls_buffer_updated(SSLProtocolObject *p, PyObject *nbytes);
PyObject *tls_feed(SSLProtocolObject *p, PyObject *data);
PyObject *tls_is_cut(SSLProtocolObject *p, PyObject *ignored);
PyObject *tls_do_read(SSLProtocolObject *p, PyObject *ignored);

#endif
