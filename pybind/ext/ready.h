/* The ready queue: handles whose turn has come. */
#ifndef GOLOOP_READY_H
#define GOLOOP_READY_H

#include "loop.h"

int ready_reserve(LoopObject *loop, size_t n); /* makes room for n more */
int ready_push(LoopObject *loop, PyObject *handle); /* borrows */
/* Where there is room. Steals. */
static inline void ready_append(LoopObject *loop, PyObject *handle) {
    loop->ready[(loop->ready_head + loop->ready_len++) & (loop->ready_cap - 1)] = handle;
}
int ready_insert(LoopObject *loop, size_t at, PyObject **handles, size_t n); /* steals, unless it fails */
/* The first; there must be one. */
static inline PyObject *ready_steal(LoopObject *loop) {
    PyObject *handle = loop->ready[loop->ready_head];
    loop->ready_head = (loop->ready_head + 1) & (loop->ready_cap - 1);
    loop->ready_len--;
    if (loop->todo) loop->todo--;
    return handle;
}
void ready_clear(LoopObject *loop);
bool ready_give_back(LoopObject *loop); /* what a crowd of callbacks has left, if it has */

#endif
