/* Turns inside a callback; the ready queue for who runs it himself. */
#ifndef GOLOOP_NESTED_H
#define GOLOOP_NESTED_H

#include "loop.h"

int nest_begin(LoopObject *loop); /* before the engine is called: says where the turn's completions go */

/* Methods of the loop. */
PyObject *loop_ready_len(LoopObject *loop, PyObject *ignored);
PyObject *loop_ready_pop(LoopObject *loop, PyObject *ignored);
PyObject *loop_ready_insert(LoopObject *loop, PyObject *handle);
PyObject *loop_ready_items(LoopObject *loop, PyObject *ignored);

#endif
