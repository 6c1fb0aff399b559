/* What transports owe their protocols and no handle brings. */
#ifndef GOLOOP_OWED_H
#define GOLOOP_OWED_H

#include "transport.h"

int owed_pay(LoopObject *loop); /* -1: leave the loop with the exception set; what is not paid stays owed */
void owed_clear(LoopObject *loop);
int owed_traverse(LoopObject *loop, visitproc visit, void *arg);

#endif
