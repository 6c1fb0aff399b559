#include "settle.h"

#include "transport.h"

/* Settles the Write and Send entries of submissions that the engine has handled. Python
 * code runs only after the last of them: it may submit, and fill the array. */
int settle_writes(LoopObject *loop, gl_sqe *sq, int32_t n) {
    TransportObject *notify = NULL, **last = &notify; /* those that have something to tell their protocol */
    int rc = 0;
    for (int32_t i = 0; i < n; i++) {
        gl_sqe *s = &sq[i];
        if (s->op != GL_OP_WRITE && s->op != GL_OP_SEND) continue;
        FdEntry *e = fd_lookup(loop, s->fd, s->gen);
        if (e && e->kind == FD_TRANSPORT) { /* which is owned while it has something to send */
            TransportObject *t = TRANSPORT(e->owner);
            t->unsent--;
            t->buffered -= s->len;
            if (t->kind->write_failed && s->flags & GL_SQE_FAILED) t->kind->write_failed(t, s->res);
            if (t->kind->must_tell(t) && !t->telling) {
                t->telling = true;
                *last = TRANSPORT(Py_NewRef((PyObject *)t));
                last = &t->next_told;
            }
        }
        if (!(s->flags & GL_SQE_QUEUED)) Py_DECREF((PyObject *)(uintptr_t)s->user);
    }
    while (notify) {
        TransportObject *t = notify;
        notify = t->next_told;
        t->next_told = NULL;
        t->telling = false;
        if (rc < 0 || loop->tells_later)
            transport_owe(t, false); /* after an exit the next run tells the others */
        else
            rc = t->kind->wrote(t, 0);
        Py_DECREF(t);
    }
    return rc;
}
