/* The inbox is a stack that threads push to without a lock. The loop takes all of it at once, and has
 * it in the order in which it came.
 *
 * A wake-up is not lost: the loop says that it sleeps, and then looks here once more; a thread puts
 * its callback here, and then asks whether the loop sleeps. */
#include "inbox.h"

#include <unistd.h>

#include "engine.h"
#include "ready.h"

static PyObject **next_of(PyObject *handle) { return &handle_tail(handle)->next; }

void inbox_push(LoopObject *loop, PyObject *handle) {
    PyObject **next = next_of(handle);
    *next = atomic_load(&loop->inbox);
    Py_INCREF(handle);
    atomic_fetch_add(&loop->inbox_len, 1);
    while (!atomic_compare_exchange_weak(&loop->inbox, next, handle)) {}
}

/* A stack of n in the order in which it was pushed. */
static PyObject *reversed(PyObject *stack, size_t *n) {
    PyObject *first = NULL;
    for (*n = 0; stack; ++*n) {
        PyObject *next = *next_of(stack);
        *next_of(stack) = first;
        first = stack;
        stack = next;
    }
    return first;
}

/* Puts handles back that were taken: beneath those that have come since. */
static void put_back(LoopObject *loop, PyObject *handles) {
    size_t n;
    PyObject *bottom = reversed(handles, &n), *none = NULL;
    while (!atomic_compare_exchange_strong(&loop->inbox, &none, bottom)) {
        PyObject *newer = atomic_exchange(&loop->inbox, NULL), *end = newer;
        while (end && *next_of(end)) end = *next_of(end);
        if (end) {
            *next_of(end) = bottom;
            bottom = newer;
        }
        none = NULL;
    }
}

int inbox_empty_slowly(LoopObject *loop) {
    size_t n;
    PyObject *handle = reversed(atomic_exchange(&loop->inbox, NULL), &n);
    if (ready_reserve(loop, n) < 0) {
        put_back(loop, handle);
        return -1;
    }
    while (handle) {
        PyObject *next = *next_of(handle);
        ready_append(loop, handle);
        handle = next;
    }
    atomic_fetch_sub(&loop->inbox_len, n);
    return 0;
}

void inbox_clear(LoopObject *loop) {
    size_t n;
    PyObject *handle = reversed(atomic_exchange(&loop->inbox, NULL), &n);
    atomic_fetch_sub(&loop->inbox_len, n);
    while (handle) {
        PyObject *next = *next_of(handle);
        Py_DECREF(handle);
        handle = next;
    }
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
