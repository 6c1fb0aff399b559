/* Arrivals: completions that have become handles of the ready queue, because a turn is taken while
 * a callback of an earlier one runs. */
#ifndef GOLOOP_ARRIVAL_H
#define GOLOOP_ARRIVAL_H

#include "loop.h"

int arrival_setup(PyObject *module);
int gather_completions(LoopObject *loop); /* those of the batch under way that have not run */
int unbar_arrivals(LoopObject *loop);

#endif
