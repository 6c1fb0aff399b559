/* On epoll a look that finds nothing costs a tenth of a turn that does, and as much as one or two callbacks; the others are asked by a
 * turn. What it finds stays where it is, and as many entries as here keep the order in which the engine sees it.
 * After some looks for nothing a word of memory stands for them, which the kernel writes (loop/bell.go). */
#include "look.h"

#ifdef __linux__
#include <sys/epoll.h>
#endif

#include "ring.h"

#ifdef __linux__
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
    if (epoll_wait(loop->shared.poll_fd, events, 64, 0) != 0) {
        loop->found_nothing = 0;
        return true;
    }
    if (++loop->found_nothing >= loop->shared.bell_after) ask_for_bell(loop);
    return false;
#else
    (void)loop;
    return true;
#endif
}
