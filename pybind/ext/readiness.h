/* Readiness: a wait of one coroutine for one direction of a descriptor. */
#ifndef GOLOOP_READINESS_H
#define GOLOOP_READINESS_H

#include "loop.h"

/* Zeroed: none. Embedded in an object that a coroutine holds only while it awaits. */
typedef struct {
    LoopObject *loop;
    PyObject *iterator; /* of the future that the task waits for */
    PyObject *handle;   /* sets the future's result */
    int fd;
    bool writer;
} Readiness;

int readiness_begin(Readiness *r, LoopObject *loop, int fd, bool writer); /* of a zeroed one; fd: of an open engine */
PySendResult readiness_send(Readiness *r, PyObject **result); /* what its awaitable's send(None) does */
void readiness_end(Readiness *r); /* it is zeroed then; keeps the exception that there is */
int readiness_traverse(Readiness *r, visitproc visit, void *arg);

int readiness_setup(PyObject *module);

#endif
