/* pause_writing, resume_writing, and the limits at which they are called. */
#include "flow.h"

#include <errno.h>

#include "ending.h"
#include "engine.h"
#include "errors.h"

static int report(TransportObject *t, const char *message) {
    return tell_unless_exit(t->loop, message, PyErr_GetRaisedException(), (PyObject *)t, t->protocol);
}

int transport_maybe_pause(TransportObject *t) {
    if (t->buffered <= t->high || t->protocol_paused) return 0;
    if (t->unsent && transport_flush(t) < 0) return -1;
    if (t->buffered <= t->high || t->protocol_paused || !t->protocol) return 0;
    t->protocol_paused = true;
    if (call_method_drop(t->protocol, t->loop->state->names.pause_writing, NULL) < 0) return report(t, "protocol.pause_writing() failed");
    return 0;
}

static int resume_writing(TransportObject *t) {
    t->protocol_paused = false;
    PyObject *context = new_entered_once(t);
    int rc = call_method_drop(t->protocol, t->loop->state->names.resume_writing, NULL);
    if (rc < 0) rc = report(t, "protocol.resume_writing() failed");
    steal_entered(context);
    return rc;
}

int transport_wrote(TransportObject *t, int64_t n) {
    t->buffered = t->buffered > n ? t->buffered - n : 0;
    if (t->protocol_paused && t->buffered <= t->low && t->protocol && resume_writing(t) < 0) {
        transport_owe(t, false); /* an exit: the next run tells the rest */
        return -1;
    }
    if (t->buffered) return 0;
    transport_pin(t);
    if (t->closing && !t->conn_lost) {
        t->conn_lost++;
        return transport_schedule_lost(t, NULL);
    }
    return 0;
}

int transport_send(TransportObject *t, gl_sqe *s) {
    int64_t n = s->len;
    int rc = queue_has_room(t->loop) < 0 ? -1 : submit_one(t->loop, s);
    bool keeps = s->flags & GL_SQE_QUEUED;
    if (!keeps) Py_DECREF((PyObject *)(uintptr_t)s->user);
    if (rc < 0) return -1;
    if (!keeps) return s->flags & GL_SQE_FAILED ? t->kind->send_failed(t, s->res) : 0;
    t->buffered += n - s->len;
    if (!t->pinned) transport_pin(t);
    return 0;
}

int transport_warn_lost(TransportObject *t, int *lost) {
    PyObject *warning = t->loop->state->imports.logger_warning;
    if (*lost >= WARN_AFTER && steal_result(PyObject_CallFunction(warning, "s", t->kind->written_after_end)) < 0) return -1;
    ++*lost;
    return 0;
}

/* ---- methods ---- */

PyObject *method_get_write_buffer_size(TransportObject *t, PyObject *i) {
    (void)i;
    if (t->unsent && transport_flush(t) < 0) return NULL;
    return PyLong_FromLongLong(t->buffered);
}

/* _set_limits(has_high, high, has_low, low) -> bool: what is left out, the engine fills in; False: it refuses these. */
PyObject *method_set_limits(TransportObject *t, PyObject *args) {
    int has_high, has_low;
    double high, low;
    int64_t bytes[2];
    if (!PyArg_ParseTuple(args, "pdpd", &has_high, &high, &has_low, &low)) return NULL;
    if (!loop_is_ours(t->loop) && engine_usable_slow(t->loop) < 0) return NULL;
    int32_t given = (has_high ? GL_LIMIT_HIGH : 0) | (has_low ? GL_LIMIT_LOW : 0);
    int32_t rc = t->loop->api->write_buffer_limits(given, &high, &low, bytes);
    if (rc == -EINVAL) Py_RETURN_FALSE;
    if (rc < 0) return none_or_null(engine_error(t->loop, rc));
    t->high = bytes[0];
    t->low = bytes[1];
    return transport_maybe_pause(t) < 0 ? NULL : Py_NewRef(Py_True);
}
