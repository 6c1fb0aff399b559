/* Turns and batches. */
#ifndef GOLOOP_TURN_H
#define GOLOOP_TURN_H

#include "loop.h"

/* Methods of the loop. */
PyObject *loop_run_once(LoopObject *loop, PyObject *ignored);
PyObject *loop_turn(LoopObject *loop, PyObject *wait);
PyObject *loop_batch(LoopObject *loop, PyObject *due);
PyObject *loop_has_come(LoopObject *loop, PyObject *ignored);
PyObject *loop_at_rest(LoopObject *loop, PyObject *ignored);

#endif
