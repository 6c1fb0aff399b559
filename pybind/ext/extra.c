/* They are found when somebody asks, or when the descriptor is about to go; the socket object is made when it
 * itself is asked for. */
#include "extra.h"

#include <netinet/in.h>

#include "errors.h"
#include "named.h"
#include "sockaddr.h"

/* NULL without an exception for want of memory, or of an address. */
static Address *new_address(const void *raw, socklen_t len) {
    Address *a = len && len <= LONGEST_ADDRESS ? PyMem_Malloc(sizeof *a) : NULL;
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

/* The socket object of an accepted descriptor, made when somebody asks. */
PyObject *transport_borrow_sock(TransportObject *t) {
    if (!t->sock && t->fd >= 0)
        t->sock = PyObject_CallFunction(t->loop->state->imports.new_socket, "iiii", t->family, t->type, t->proto, t->fd);
    return t->sock;
}

static int put(PyObject *dict, PyObject *key, PyObject *value) {
    int rc = value ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(value);
    return rc;
}

int transport_fill_extra(TransportObject *t, PyObject *peername) {
    PyObject *extra = PyDict_New();
    if (!extra) return -1;
    transport_keep_local(t);
    int rc = put(extra, t->loop->state->names.sockname, t->sockname ? Py_NewRef(t->sockname) : address_to_python(t->local));
    if (rc == 0)
        rc = put(extra, t->loop->state->names.peername, peername ? Py_NewRef(peername) : new_peername(t));
    if (rc < 0)
        Py_DECREF(extra);
    else
        t->extra = extra;
    t->extra_lacks_socket = rc == 0;
    return rc;
}

/* The socket object of a descriptor that is gone: the one that owned it, or one that is closed. */
static PyObject *new_former_sock(TransportObject *t) {
    if (t->former_sock) return Py_NewRef(t->former_sock);
    return PyObject_CallFunction(t->loop->state->imports.new_closed_socket, "iii", t->family, t->type, t->proto);
}

static int fill_socket(TransportObject *t) {
    PyObject *sock = Py_XNewRef(transport_borrow_sock(t));
    if (!sock && t->fd >= 0) return -1;
    if (!sock && !(sock = new_former_sock(t))) {
        PyErr_Clear(); /* no descriptor for it: it is not known */
        return 0;
    }
    State *state = t->loop->state;
    int rc = put(t->extra, state->names.socket, PyObject_CallOneArg(state->imports.transport_socket, sock));
    Py_DECREF(sock);
    if (rc == 0) t->extra_lacks_socket = false;
    return rc;
}

static bool is_named(PyObject *name, PyObject *known) {
    return name == known || (PyUnicode_Check(name) && PyUnicode_Compare(name, known) == 0);
}

PyObject *method_get_extra_info(TransportObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    static const char *const arguments[] = {"name", "default"};
    PyObject *given[2];
    if (take_named((PyObject *)t, "get_extra_info", arguments, 2, args, n, kwnames, given) < 0) return NULL;
    PyObject *name = given[0], *fallback = given[1];
    Names *names = &t->loop->state->names;
    bool asks_socket = is_named(name, names->socket);
    if (!t->extra && PyUnicode_CheckExact(name) && !asks_socket && !is_named(name, names->sockname) && !is_named(name, names->peername))
        return Py_NewRef(fallback ? fallback : Py_None);
    if (!t->extra && transport_fill_extra(t, NULL) < 0) return NULL;
    if (asks_socket && t->extra_lacks_socket && fill_socket(t) < 0) return NULL;
    PyObject *value = PyDict_GetItemWithError(t->extra, name);
    if (!value && PyErr_Occurred()) return NULL;
    return Py_NewRef(value ? value : fallback ? fallback : Py_None);
}
