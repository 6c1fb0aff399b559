/* The contexts of what a program schedules without naming one. Each callback has a copy of the caller's
 * context; what hundreds of one turn share until they run is one copy, the snapshot, which nobody enters. Of a few, each
 * has its own at once. */
#ifndef GOLOOP_SNAPSHOT_H
#define GOLOOP_SNAPSHOT_H

#include "loop.h"

int snapshot_setup(PyObject *module);
enum { COPIES = 8 }; /* in a turn, before they are worth sharing */
static inline bool snapshot_is_worth_it(LoopObject *loop) {
    return loop->state->shares_contexts && (loop->copies == COPIES || ++loop->copies == COPIES);
}
PyObject *new_snapshot(LoopObject *loop); /* of the context of this thread; for steal_context alone */
PyObject *steal_context(PyObject *snapshot); /* a copy, or the snapshot itself when the caller's is the last reference */
/* A context for a callback whose handle nobody else sees: the same one serves the next, unless a callback has set a variable
 * in it. To be given back when it has been left; or kept. */
PyObject *new_lent_context(LoopObject *loop, PyObject *snapshot);
/* Both stolen; context may be NULL. */
void steal_lent_context(LoopObject *loop, PyObject *context, PyObject *snapshot);
/* A turn begins: the loop keeps no value alive beyond that. */
static inline void snapshot_drop(LoopObject *loop) {
    loop->copies = 0;
    if (loop->snapshot) Py_CLEAR(loop->snapshot);
    if (loop->lent) Py_CLEAR(loop->lent);
}

#endif
