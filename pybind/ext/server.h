/* Listening and accepting. */
#ifndef GOLOOP_SERVER_H
#define GOLOOP_SERVER_H

#include "loop.h"

/* Methods of the loop. */
PyObject *loop_listen(LoopObject *, PyObject *args);
PyObject *loop_unlisten(LoopObject *, PyObject *sock);

#endif
