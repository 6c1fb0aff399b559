/* What completions hold: handles, descriptors, references. */
#include "completion.h"

#include <unistd.h>

#include "descriptors.h"
#include "scheduled.h"

void completions_resolve(LoopObject *loop) {
    for (int32_t i = 0; i < loop->cq_len; i++) {
        gl_cqe *c = &loop->cq[i];
        PyObject *handle = NULL;
        if (c->kind == GL_TIMER_DUE) {
            handle = steal_due_timer(loop, c->user);
        } else if (c->kind == GL_WATCH_READY) {
            FdEntry *e = fd_lookup(loop, c->fd, c->gen);
            if (e && e->kind == FD_WATCHED) {
                handle = Py_XNewRef((c->flags & GL_READ ? e->reader : e->writer).handle);
                if (c->res) e->ended = NOT_RENEWED;
            }
        } else {
            continue;
        }
        c->kind = handle ? GL_RUN_HANDLE : GL_NOTHING;
        c->user = (uintptr_t)handle;
    }
}

void completions_drop_cancelled(LoopObject *loop) {
    for (int32_t i = loop->cq_head; i < loop->cq_len; i++) {
        PyObject *handle = loop->cq[i].kind == GL_RUN_HANDLE ? at(loop->cq[i].user) : NULL;
        if (!handle || !handle_is_cancelled(handle)) continue;
        loop->cq[i].kind = GL_NOTHING;
        Py_DECREF(handle);
    }
    while (loop->cq_head < loop->cq_len && loop->cq[loop->cq_head].kind == GL_NOTHING) loop->cq_head++;
}

void completions_clear(LoopObject *loop) {
    while (loop->cq_head < loop->cq_len) {
        gl_cqe *c = &loop->cq[loop->cq_head++];
        if (c->kind == GL_RUN_HANDLE || c->kind == GL_RELEASED)
            Py_XDECREF((PyObject *)(uintptr_t)c->user);
        else if (c->kind == GL_ACCEPTED)
            close(c->res);
    }
}

bool completions_accepted(LoopObject *loop, bool drop) {
    if (!loop->put_off) return false;
    bool any = false;
    for (int32_t i = loop->cq_head; i < loop->cq_len; i++) {
        gl_cqe *c = &loop->cq[i];
        if (c->kind != GL_ACCEPTED) continue;
        any = true;
        if (!drop) break;
        close(c->res);
        c->kind = GL_NOTHING;
    }
    return any;
}

int completions_traverse(LoopObject *loop, visitproc visit, void *arg) {
    for (int32_t i = loop->cq_head; i < loop->cq_len; i++) {
        gl_cqe *c = &loop->cq[i];
        if (c->kind == GL_RUN_HANDLE) Py_VISIT((PyObject *)(uintptr_t)c->user);
    }
    return 0;
}

void completions_unkeep(LoopObject *loop) {
    int32_t kept = loop->cq_kept;
    if (kept == 0) return;
    loop->cq_kept = 0;
    loop->cq_head -= kept;
    memmove(&loop->cq[loop->cq_head], loop->cq, (size_t)kept * sizeof *loop->cq);
}
