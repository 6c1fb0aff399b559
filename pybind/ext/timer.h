/* TimerHandle. */
#ifndef GOLOOP_TIMER_H
#define GOLOOP_TIMER_H

#include "scheduled.h"

int timer_setup(PyObject *module);

/* Methods of the loop. */
PyObject *loop_call_later(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *loop_call_at(LoopObject *, PyObject *const *, Py_ssize_t, PyObject *);
PyObject *loop_give_timer(LoopObject *loop, PyObject *handle);

#endif
