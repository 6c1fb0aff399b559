/* create_task and create_future, and what tasks ask the loop. */
#ifndef GOLOOP_TASKS_H
#define GOLOOP_TASKS_H

#include "loop.h"

void tasks_run_ended(LoopObject *loop);
/* What asyncio's loop, or who has replaced its method, does. */
PyObject *call_base(LoopObject *loop, PyObject *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *new_future(LoopObject *loop); /* by create_future(), whoever has defined it */

/* Methods of the loop. */
PyObject *method_create_task(LoopObject *loop, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *method_create_future(LoopObject *loop, PyObject *ignored);
PyObject *method_is_running(LoopObject *loop, PyObject *ignored);
PyObject *method_get_debug(LoopObject *loop, PyObject *ignored);

#endif
