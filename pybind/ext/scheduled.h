/* What is scheduled for a time: the timers that are fresh, and those that the engine has. */
#ifndef GOLOOP_SCHEDULED_H
#define GOLOOP_SCHEDULED_H

#include "handle.h"

typedef struct TimerHandleObject {
    HANDLE_FIELDS
    HANDLE_WEAK
    PyObject *scheduled, *when;
    TimerLink link; /* of those that the engine has */
    LoopObject *owner; /* in whose list; a program may have set _loop */
    uint64_t place; /* its name in the engine, or its place among the fresh */
    HandleTail tail;
} TimerHandleObject;

int enroll(LoopObject *loop, TimerHandleObject *handle, int64_t ns); /* due at ns */
bool is_enrolled(LoopObject *loop, TimerHandleObject *handle);
void timer_cancelled(LoopObject *loop, TimerHandleObject *handle); /* forget it here and in the engine */
/* _take_timers() -> a list of the scheduled handles, of which none is scheduled any more. */
PyObject *loop_take_timers(LoopObject *loop, PyObject *ignored);

static inline TimerPile *fresh_pile(LoopObject *loop) { return &loop->fresh.piles[loop->fresh.now]; }

/* What the fresh ones need of a turn: none of them is due; all are, in the order in which they stand, and are run
 * without the engine; or the engine has to sort them. known: a reading of the clock. */
enum timers_need { TIMERS_WAIT, TIMERS_RUN, TIMERS_SORT };
static inline enum timers_need timers_look(LoopObject *loop, int64_t known) {
    const TimerPile *p = fresh_pile(loop);
    if (p->live == 0 || p->first > known) return TIMERS_WAIT;
    return p->unordered || p->last > known ? TIMERS_SORT : TIMERS_RUN;
}
int timers_run_fresh(LoopObject *loop); /* puts them behind what is ready */
void timers_show(LoopObject *loop); /* to the engine, in the turn that follows; */
int timers_looked_at(LoopObject *loop); /* it has been, and has taken them or not */
PyObject *steal_due_timer(LoopObject *loop, uint64_t user); /* of a completion of the turn that has just ended */
void timers_withdraw(LoopObject *loop); /* those that were cancelled meanwhile */

bool timers_give_back(LoopObject *loop); /* what a crowd has left, if it has */
void timers_clear(LoopObject *loop);
void timers_free(LoopObject *loop);
int timers_traverse(LoopObject *loop, visitproc visit, void *arg);

#endif
