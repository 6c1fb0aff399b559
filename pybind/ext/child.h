/* Child processes. */
#ifndef GOLOOP_CHILD_H
#define GOLOOP_CHILD_H

#include "loop.h"

int on_child_exited(LoopObject *loop, gl_cqe *c);

/* Methods of the loop. */
PyObject *loop_child_watcher(LoopObject *, PyObject *name);

#endif
