/* They are found when somebody asks, or when the descriptor is about to go. */
#include "extra.h"

#include <netinet/in.h>

#include "named.h"
#include "sockaddr.h"

/* NULL without an exception for want of memory, or of an address. */
static Address *new_address(const void *raw, socklen_t len) {
    Address *a = len && len <= UINT8_MAX ? PyMem_Malloc(sizeof *a + len) : NULL;
    if (a) memcpy(a->raw, raw, a->len = (uint8_t)len);
    return a;
}

static PyObject *address_to_python(const Address *a) {
    return a ? sockaddr_to_python(a->raw, a->len) : sockaddr_to_python("", 0);
}

/* Remembers the local address while the descriptor is open. */
void transport_keep_local(TransportObject *t) {
    if (t->local || t->sockname || t->extra || t->fd < 0) return;
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    if (getsockname(t->fd, (struct sockaddr *)&local, &len) == 0) t->local = new_address(&local, len);
}

bool transport_set_peer(TransportObject *t, const void *raw, socklen_t len) {
    struct sockaddr_in inet;
    if (len == sizeof inet) {
        memcpy(&inet, raw, sizeof inet);
        if ((t->peer_is_inet = inet.sin_family == AF_INET)) {
            memcpy(t->peer.inet, raw, sizeof t->peer.inet);
            return true;
        }
    }
    return (t->peer.other = new_address(raw, len));
}

void transport_keep_peer(TransportObject *t) {
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    if (getpeername(t->fd, (struct sockaddr *)&peer, &len) == 0) transport_set_peer(t, &peer, len);
}

static PyObject *new_peername(TransportObject *t) {
    if (!t->peer_is_inet) return address_to_python(t->peer.other);
    struct sockaddr_in inet = {0};
    memcpy(&inet, t->peer.inet, sizeof t->peer.inet);
    return sockaddr_to_python(&inet, sizeof inet);
}

void transport_forget_addresses(TransportObject *t) {
    if (!t->peer_is_inet) PyMem_Free(t->peer.other);
    PyMem_Free(t->local);
}

/* _extra_parts() -> (address of its own, the peer's, socket that it had or None, family, type, proto) */
PyObject *method_extra_parts(TransportObject *t, PyObject *ignored) {
    (void)ignored;
    transport_keep_local(t);
    PyObject *sockname = t->sockname ? Py_NewRef(t->sockname) : address_to_python(t->local), *peername = new_peername(t);
    PyObject *former = t->former_sock ? t->former_sock : Py_None;
    return Py_BuildValue("(NNOiii)", sockname, peername, former, t->family, t->type, t->proto);
}

static bool is_named(PyObject *name, PyObject *known) {
    return name == known || (PyUnicode_Check(name) && PyUnicode_Compare(name, known) == 0);
}

/* Adds to it what goloop.extra finds, at once: of what another thread has found meanwhile, the first stands. */
static int find_extra(TransportObject *t, PyObject *name) {
    Names *names = &t->loop->state->names;
    PyObject *found = PyObject_CallMethodOneArg((PyObject *)t, names->_find_extra, name);
    int rc = found ? 0 : -1;
    if (found) {
        if (t->extra)
            rc = PyDict_Merge(t->extra, found, 0);
        else
            t->extra = Py_NewRef(found);
        if (rc == 0 && (rc = PyDict_Contains(t->extra, names->socket)) >= 0) t->extra_lacks_socket = rc == 0;
    }
    Py_XDECREF(found);
    return rc < 0 ? -1 : 0;
}

PyObject *method_get_extra_info(TransportObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    static const char *const arguments[] = {"name", "default"};
    PyObject *given[2];
    if (take_named((PyObject *)t, "get_extra_info", arguments, 2, args, n, kwnames, given) < 0) return NULL;
    PyObject *name = given[0], *fallback = given[1] ? given[1] : Py_None;
    Names *names = &t->loop->state->names;
    bool asks_socket = is_named(name, names->socket);
    if (!t->extra && PyUnicode_CheckExact(name) && !asks_socket && !is_named(name, names->sockname) && !is_named(name, names->peername))
        return Py_NewRef(fallback);
    if ((!t->extra || (t->extra_lacks_socket && asks_socket)) && find_extra(t, name) < 0) return NULL;
    PyObject *value = t->extra ? PyDict_GetItemWithError(t->extra, name) : NULL;
    return value || !PyErr_Occurred() ? Py_NewRef(value ? value : fallback) : NULL;
}
