/* The inbox is a stack that threads push to without a lock. The loop takes all of it at once, and has
 * it in the order in which it came.
 *
 * A wake-up is not lost: the loop says that it sleeps, and then looks here once more; a thread puts
 * its callback here, and then asks whether the loop sleeps. */
#include "inbox.h"

#include <unistd.h>

#include "engine.h"
#include "ready.h"

struct Letter {
    PyObject *handle;
    struct Letter *next;
};

int inbox_push(LoopObject *loop, PyObject *handle) {
    struct Letter *letter = PyMem_RawMalloc(sizeof *letter);
    if (!letter) {
        PyErr_NoMemory();
        return -1;
    }
    letter->handle = Py_NewRef(handle);
    letter->next = atomic_load(&loop->inbox);
    atomic_fetch_add(&loop->inbox_len, 1);
    while (!atomic_compare_exchange_weak(&loop->inbox, &letter->next, letter)) {}
    return 0;
}

/* All that has come, behind what was taken before. */
static void take(LoopObject *loop) {
    struct Letter *stack = atomic_exchange(&loop->inbox, NULL), *first = NULL;
    while (stack) {
        struct Letter *next = stack->next;
        stack->next = first;
        first = stack;
        stack = next;
    }
    struct Letter **end = &loop->letters;
    while (*end) end = &(*end)->next;
    *end = first;
}

static PyObject *steal_first(LoopObject *loop) {
    struct Letter *letter = loop->letters;
    PyObject *handle = letter->handle;
    loop->letters = letter->next;
    atomic_fetch_sub(&loop->inbox_len, 1);
    PyMem_RawFree(letter);
    return handle;
}

int inbox_empty_slowly(LoopObject *loop) {
    take(loop);
    while (loop->letters) {
        if (ready_reserve(loop, 1) < 0) return -1;
        PyObject *handle = steal_first(loop);
        ready_push(loop, handle); /* there is room */
        Py_DECREF(handle);
    }
    return 0;
}

void inbox_clear(LoopObject *loop) {
    take(loop);
    while (loop->letters) Py_DECREF(steal_first(loop));
}

/* The engine's descriptor takes eight bytes; when it would block, a wake-up is pending already. It is
 * not closed while one of the wakers may write to it. */
void loop_wake(LoopObject *loop) {
    if (!atomic_load(&loop->sleeping) || atomic_load(&loop->woken)) return;
    atomic_fetch_add(&loop->wakers, 1);
    if (atomic_load(&loop->sleeping) && loop_is_ours(loop) && !atomic_exchange(&loop->woken, true)) {
        const uint64_t one = 1;
        ssize_t n = write(loop->shared.wake_fd, &one, sizeof one);
        (void)n;
    }
    atomic_fetch_sub(&loop->wakers, 1);
}
