/* Turns that need nothing of the engine: loop/near.go. Which streams are read, and when the engine sees a turn again, it has said;
 * and what else is ready is left to it. */
#include "near.h"

#ifdef __linux__

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "look.h"
#include "pulse.h"
#include "ring.h"
#include "scheduled.h"

/* Which are ready, and what came of reading them. */
typedef struct {
    int n, pipes;
    const gl_near *streams[GL_NEAR_MOST];
    int64_t got[GL_NEAR_MOST]; /* bytes, or a negative errno */
    uint8_t *at[GL_NEAR_MOST];
} Found;

/* epoll's data are a descriptor and its generation (selector/epoll_linux.go). */
static const gl_near *near_of(gl_shared *sh, const struct epoll_event *event) {
    uint64_t data = event->data.u64;
    const gl_near *stream = &sh->near[data & (GL_NEAR_PLACES - 1)];
    bool is_it = stream->gen && (uint32_t)stream->fd == (uint32_t)data && stream->gen == (uint32_t)(data >> 32);
    return is_it && event->events == EPOLLIN ? stream : NULL;
}

/* How many are ready, and which, in found: none unless all are near streams. */
static int look_near(gl_shared *sh, Found *found) {
    struct epoll_event events[GL_NEAR_MOST + 1];
    int n = epoll_wait(sh->poll_fd, events, GL_NEAR_MOST + 1, 0);
    if (n > GL_NEAR_MOST) return n;
    for (int i = 0; i < n; i++) {
        if (!(found->streams[i] = near_of(sh, &events[i]))) return n;
        found->pipes |= found->streams[i]->pipe;
    }
    found->n = n > 0 ? n : 0;
    return n;
}

static void read_near(gl_shared *sh, Found *found) {
    uint8_t *p = sh->arena, *end = p + sh->arena_len;
    for (int i = 0; i < found->n; i++) {
        const gl_near *stream = found->streams[i];
        size_t room = (size_t)(end - p) / 2;
        ssize_t got = stream->pipe ? read(stream->fd, p, room) : recv(stream->fd, p, room, MSG_DONTWAIT);
        found->at[i] = p;
        found->got[i] = got < 0 ? -errno : got;
        if (got > 0) p += (got + 63) & ~(ssize_t)63;
    }
}

/* Completions of what has come, in the selector's order. Of an end of file or an error the engine hears before it looks again. */
static int tell(LoopObject *loop, const Found *found) {
    gl_shared *sh = &loop->shared;
    int rc = 0;
    loop->cq = sh->cq;
    loop->cq_head = loop->cq_len = 0;
    for (int i = 0; i < found->n; i++) {
        const gl_near *stream = found->streams[i];
        int64_t got = found->got[i];
        if (got == -EAGAIN || got == -EINTR) continue;
        gl_cqe c = {.fd = stream->fd, .gen = stream->gen};
        if (got > 0) {
            c.kind = GL_DATA;
            c.ptr = (uintptr_t)found->at[i];
            c.len = got;
            pulse_read(loop, (uint64_t)got);
            if (got > GL_NEAR_BYTES) sh->near[stream->fd & (GL_NEAR_PLACES - 1)].gen = 0;
        } else {
            c.kind = got ? GL_ERROR : GL_EOF;
            c.flags = got ? GL_READ : 0;
            c.res = (int32_t)-got;
            gl_sqe *s = new_sqe(loop, GL_OP_READ, c.fd, c.gen);
            if (!s) { /* the engine will meet it */
                rc = -1;
                continue;
            }
            s->res = c.res;
        }
        loop->cq[loop->cq_len++] = c;
    }
    return rc;
}

int near_turn(LoopObject *loop, int *flags) {
    gl_shared *sh = &loop->shared;
    if (engine_usable(loop) < 0 || PyErr_CheckSignals() < 0) return -1;
    int64_t now = monotonic_ns();
    bool due = (loop->timers_live && now >= sh->next_deadline) || timers_look(loop, now) != TIMERS_WAIT;
    if (sh->poll_fd < 0 || now - sh->looked > GL_NEAR_TIME || due) return 0;
    Found found = {0};
    int n;
    look_anew(loop, *flags);
    loop->in_turn = true; /* other threads keep away from the engine, and so from what is near */
    pulse_phase(loop, GL_PHASE_ENGINE);
    n = look_near(sh, &found); /* with the GIL, and so are sockets read: to give it up and take it back costs as much as that */
    if (found.pipes) { /* one that another process has made blocking may wait */
        Py_BEGIN_ALLOW_THREADS
        read_near(sh, &found);
        Py_END_ALLOW_THREADS
    } else {
        read_near(sh, &found);
    }
    pulse_phase(loop, GL_PHASE_PYTHON);
    loop->in_turn = false;
    if (found.n == 0) {
        sh->near_left = 0;
        sh->near_missed = 1;
        if (n > 0) *flags = GL_TURN_POLL; /* that the waker has rung is told once */
        return 0;
    }
    sh->near_left--;
    sh->near_found++;
    pulse_near(loop, (uint64_t)n);
    return tell(loop, &found) < 0 ? -1 : 1;
}

#else

int near_turn(LoopObject *loop, int *flags) {
    (void)loop;
    (void)flags;
    return 0;
}

#endif
