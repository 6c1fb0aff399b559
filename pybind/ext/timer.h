/* TimerHandle, and the table from a timer's id to its handle. The heap is the engine's. */
#ifndef GOLOOP_TIMER_H
#define GOLOOP_TIMER_H

#include "handle.h"

typedef struct TimerHandleObject {
    HANDLE_FIELDS
    HANDLE_WEAK
    PyObject *scheduled, *when;
    /* ours */
    State *state;
    uint32_t id, gen;   /* place in the loop's table while scheduled */
    uint32_t sq_index;  /* submission that adds it, while that waits */
} TimerHandleObject;

typedef struct TimerEntry {
    TimerHandleObject *handle; /* NULL: free */
    uint32_t gen;
    uint32_t next_free;
} TimerEntry;

int timer_setup(PyObject *module);
PyObject *steal_due_timer(LoopObject *loop, uint32_t id, uint32_t gen); /* NULL when it has been cancelled */
TimerHandleObject *new_alarm(LoopObject *loop, double seconds); /* calls nothing: it ends a wait after so many seconds */
void timer_cancelled(LoopObject *loop, TimerHandleObject *handle);
void timers_clear(LoopObject *loop);
void timers_give_back(LoopObject *loop);
int timers_traverse(LoopObject *loop, visitproc visit, void *arg);

/* Methods of the loop. */
PyObject *loop_call_later(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *loop_call_at(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *loop_timer_handle_cancelled(LoopObject *, PyObject *);
PyObject *loop_take_timers(LoopObject *loop, PyObject *ignored);
PyObject *loop_give_timer(LoopObject *loop, PyObject *handle);

#endif
