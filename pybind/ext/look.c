/* On epoll a look that finds nothing costs a tenth of a turn that does, and as much as one or two callbacks; the others are asked by a
 * turn. What it finds stays where it is, and as many entries as here keep the order in which the engine sees it.
 * After some looks for nothing a word of memory stands for them, which the kernel writes (loop/bell.go). */
#include "look.h"

#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "descriptors.h"
#include "handle.h"
#include "ring.h"

#ifdef __linux__
/* Whether all that it would do is to wake a coroutine that has been woken already, and not run since (readiness.c). */
static bool is_told(LoopObject *loop, const struct epoll_event *event) {
    FdEntry *e = fd_lookup(loop, event->data.fd, (uint32_t)(event->data.u64 >> 32));
    if (!e || e->kind != FD_WATCHED || (e->reader.handle && e->writer.handle)) return false;
    HandleObject *handle = (HandleObject *)(e->reader.handle ? e->reader.handle : e->writer.handle);
    if (handle->callback != loop->state->wake || !handle->args) return false;
    PyObject *future = PyTuple_GET_ITEM(handle->args, 0);
    if (!Py_IS_TYPE(future, (PyTypeObject *)loop->state->tasks.c_future)) return false; /* Python code of its own may raise: not here */
    PyObject *done = PyObject_CallMethodNoArgs(future, loop->state->names.done);
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
    return done == Py_True;
}

static void ask_for_bell(LoopObject *loop) {
    gl_sqe s = {.op = GL_OP_BELL, .fd = -1};
    loop->found_nothing = 0;
    if (loop->shared.bell_patience > 0) {
        loop->shared.bell_patience--;
        return;
    }
    int rc = submit_one(loop, &s);
    if (rc < 0) PyErr_Clear(); /* the next turn tells of it */
    if (rc != 0 || !s.ptr) return;
    loop->bell = (_Atomic(uint32_t) *)(uintptr_t)s.ptr;
    loop->bell_silent = (uint32_t)s.len;
}
#endif

bool look_slow(LoopObject *loop) {
#ifdef __linux__
    struct epoll_event events[64];
    loop->bell = NULL;
    if (loop->shared.poll_fd < 0) return true;
    int n = epoll_wait(loop->shared.poll_fd, events, 64, 0), told = 0;
    if (n != 0) {
        loop->found_nothing = 0;
        while (told < n && is_told(loop, &events[told])) told++;
        return n < 0 || n == 64 || told < n;
    }
    if (++loop->found_nothing >= loop->shared.bell_after) ask_for_bell(loop);
    return false;
#else
    (void)loop;
    return true;
#endif
}
