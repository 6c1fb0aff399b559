/* They are found when somebody asks, or when the descriptor is about to go. */
#include "extra.h"

#include "sockaddr.h"

/* Remembers the local address while the descriptor is open. */
void transport_keep_local(TransportObject *t) {
    if (t->local_len || t->sockname || t->extra || t->fd < 0) return;
    t->local_len = sizeof t->local;
    if (getsockname(t->fd, (struct sockaddr *)t->local, &t->local_len) < 0 || t->local_len > sizeof t->local)
        t->local_len = 0;
}

void transport_keep_peer(TransportObject *t) {
    t->peer_len = sizeof t->peer;
    if (getpeername(t->fd, (struct sockaddr *)t->peer, &t->peer_len) < 0 || t->peer_len > sizeof t->peer)
        t->peer_len = 0;
}

/* The socket object of an accepted descriptor, made when somebody asks. */
PyObject *transport_borrow_sock(TransportObject *t) {
    if (!t->sock && t->fd >= 0) {
        PyObject *args = Py_BuildValue("(iii)", t->family, t->type, t->proto);
        PyObject *kwargs = args ? Py_BuildValue("{s:i}", "fileno", t->fd) : NULL;
        if (kwargs) t->sock = PyObject_Call(t->loop->state->imports.socket, args, kwargs);
        /* Its own idea of the timeout: dup() gives the copy's to the descriptor. */
        PyObject *r = t->sock ? PyObject_CallMethod(t->sock, "setblocking", "i", 0) : NULL;
        if (t->sock && !r) Py_CLEAR(t->sock);
        Py_XDECREF(r);
        Py_XDECREF(args);
        Py_XDECREF(kwargs);
    }
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
    PyObject *sock = transport_borrow_sock(t);
    int rc = t->fd >= 0 && !sock ? -1 : 0;
    if (rc == 0 && sock) rc = put(extra, t->loop->state->names.socket, PyObject_CallOneArg(t->loop->state->imports.transport_socket, sock));
    if (rc == 0)
        rc = put(extra, t->loop->state->names.sockname, t->sockname ? Py_NewRef(t->sockname) : sockaddr_to_python(t->local, t->local_len));
    if (rc == 0)
        rc = put(extra, t->loop->state->names.peername, peername ? Py_NewRef(peername) : sockaddr_to_python(t->peer, t->peer_len));
    if (rc < 0)
        Py_DECREF(extra);
    else
        t->extra = extra;
    return rc;
}

PyObject *method_get_extra_info(TransportObject *t, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    PyObject *name = n > 0 ? args[0] : NULL, *fallback = n > 1 ? args[1] : NULL;
    Py_ssize_t keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    bool known = n <= 2;
    for (Py_ssize_t i = 0; i < keywords && known; i++) {
        PyObject *keyword = PyTuple_GET_ITEM(kwnames, i);
        PyObject **slot = PyUnicode_CompareWithASCIIString(keyword, "name") == 0      ? &name
                          : PyUnicode_CompareWithASCIIString(keyword, "default") == 0 ? &fallback
                                                                                      : NULL;
        known = slot && !*slot;
        if (known) *slot = args[n + i];
    }
    if (!known || !name) {
        PyErr_SetString(PyExc_TypeError, "get_extra_info(name, default=None)");
        return NULL;
    }
    if (!t->extra && transport_fill_extra(t, NULL) < 0) return NULL;
    PyObject *value = PyDict_GetItemWithError(t->extra, name);
    if (!value && PyErr_Occurred()) return NULL;
    return Py_NewRef(value ? value : fallback ? fallback : Py_None);
}
