/* They are found when somebody asks, or when the descriptor is about to go. */
#include "extra.h"

#include <netinet/in.h>

/* NULL without an exception for want of memory, or of an address. */
static Address *new_address(const void *raw, socklen_t len) {
    Address *a = len && len <= UINT8_MAX ? PyMem_Malloc(sizeof *a + len) : NULL;
    if (a) memcpy(a->raw, raw, a->len = (uint8_t)len);
    return a;
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

void transport_forget_addresses(TransportObject *t) {
    if (!t->peer_is_inet) PyMem_Free(t->peer.other);
    PyMem_Free(t->local);
}

static PyObject *new_raw(const Address *a) { return PyBytes_FromStringAndSize(a ? (const char *)a->raw : "", a ? a->len : 0); }

/* _extra_parts() -> (the address that its listener is known to have, or None; its own, and the peer's, in the system's form, empty
 * where there is none; socket that it had, or None; family, type, proto) */
PyObject *method_extra_parts(TransportObject *t, PyObject *ignored) {
    (void)ignored;
    transport_keep_local(t);
    PyObject *sockname = t->sockname ? t->sockname : Py_None, *peer;
    if (t->peer_is_inet)
        peer = PyBytes_FromStringAndSize((const char *)t->peer.inet, sizeof t->peer.inet);
    else
        peer = new_raw(t->peer.other);
    PyObject *former = t->former_sock ? t->former_sock : Py_None;
    return Py_BuildValue("(ONNOiii)", sockname, new_raw(t->local), peer, former, t->family, t->type, t->proto);
}

/* _keep_extra(dict) -> the dict that stands: of two that are made at a time, the first. */
PyObject *method_keep_extra(TransportObject *t, PyObject *extra) {
    if (!t->extra) t->extra = Py_NewRef(extra);
    return Py_NewRef(t->extra);
}
