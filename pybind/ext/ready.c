/* The ready queue is a ring that grows. */
#include "ready.h"

enum { READY_CAP = 1024, READY_KEPT = 16 * READY_CAP };

int ready_reserve(LoopObject *loop, size_t n) {
    size_t cap = loop->ready_cap ? loop->ready_cap : READY_CAP;
    while (cap < loop->ready_len + n) cap *= 2;
    if (cap == loop->ready_cap) return 0;
    PyObject **items = PyMem_Malloc(cap * sizeof *items);
    if (!items) return no_memory();
    for (size_t i = 0; i < loop->ready_len; i++)
        items[i] = loop->ready[(loop->ready_head + i) & (loop->ready_cap - 1)];
    PyMem_Free(loop->ready);
    loop->ready = items;
    loop->ready_cap = cap;
    loop->ready_head = 0;
    return 0;
}

HOT int ready_push(LoopObject *loop, PyObject *handle) {
    if (loop->ready_len == loop->ready_cap && ready_reserve(loop, 1) < 0) return -1;
    ready_append(loop, Py_NewRef(handle));
    return 0;
}

bool ready_give_back(LoopObject *loop) {
    if (loop->ready_len || loop->ready_cap <= READY_KEPT) return false;
    PyMem_Free(loop->ready);
    loop->ready = NULL;
    loop->ready_cap = loop->ready_head = 0;
    return true;
}

int ready_insert(LoopObject *loop, size_t at, PyObject **handles, size_t n) {
    if (ready_reserve(loop, n) < 0) return -1;
    size_t mask = loop->ready_cap - 1, head = loop->ready_head = (loop->ready_head - n) & mask;
    for (size_t i = 0; i < at; i++) loop->ready[(head + i) & mask] = loop->ready[(head + n + i) & mask];
    for (size_t i = 0; i < n; i++) loop->ready[(head + at + i) & mask] = handles[i];
    loop->ready_len += n;
    if (at < loop->todo) loop->todo += n;
    return 0;
}

void ready_clear(LoopObject *loop) {
    while (loop->ready_len) {
        PyObject *h = loop->ready[loop->ready_head];
        loop->ready_head = (loop->ready_head + 1) & (loop->ready_cap - 1);
        loop->ready_len--;
        Py_DECREF(h);
    }
    loop->todo = 0;
}
