/* What a transport owes its protocol and no handle brings:
 *
 *   held      was read while the transport was paused, or is what an exit out of a callback left of a read
 *   eof_held  the end of file behind it
 *   end       connection_lost, for which there was no memory to schedule
 *   writes    that an exit kept from being told, or that left to make room for submissions
 *
 * The list goes through the transports themselves and owns them: owing takes no memory, so the last error path
 * cannot fail for want of it. A batch pays between its ready callbacks and its completions what was owed when
 * it began. What an exit left comes first, before anything that was read later. */
#include "owed.h"

#include "callback.h"
#include "ending.h"
#include "errors.h"
#include "sending.h"

static TransportObject *steal_first(LoopObject *loop) {
    TransportObject *t = loop->owed;
    loop->owed = t->next_owed;
    loop->owed_len--;
    t->next_owed = NULL;
    t->owing = false;
    return t;
}

/* What connection_lost raised is told as of any callback. */
static int end(TransportObject *t) {
    PyObject *exception = t->end;
    t->end = NULL;
    int rc = steal_result(method_call_connection_lost(t, exception));
    Py_DECREF(exception);
    return rc == 0 ? 0 : transport_callback_failed(t, PyErr_GetRaisedException(), t->kind->lost_name);
}

static int pay(TransportObject *t) {
    if (t->lost) return 0;
    if (t->kind->must_tell(t) && t->kind->wrote(t, 0) < 0) return -1;
    if (!t->end && !t->held && !t->eof_held) return 0;
    PyObject *context = new_entered_once(t);
    if (!context) { /* one of its callbacks waits inside, and takes this turn: after that */
        transport_owe(t, false);
        return 0;
    }
    int rc = t->end ? end(t) : t->kind->deliver_held(t);
    if (rc < 0 && (t->held || t->eof_held) && !t->paused) transport_owe(t, true);
    steal_entered(context);
    return rc;
}

int owed_pay(LoopObject *loop) {
    while (loop->owed_todo && loop->owed) {
        loop->owed_todo--;
        TransportObject *t = steal_first(loop);
        int64_t started = loop->debug ? monotonic_ns() : 0;
        int rc = callback_ran(loop, pay(t));
        if (rc == 0 && loop->debug) rc = warn_if_slow(loop, (PyObject *)t, started);
        Py_DECREF(t);
        if (rc < 0) return -1;
    }
    loop->owed_todo = 0;
    return 0;
}

void owed_clear(LoopObject *loop) {
    while (loop->owed) Py_DECREF(steal_first(loop));
    loop->owed_todo = 0;
}

int owed_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (TransportObject *t = loop->owed; t; t = t->next_owed) Py_VISIT(t);
    return 0;
}
