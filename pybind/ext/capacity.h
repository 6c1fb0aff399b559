/* Whether the engine can start in this process. */
#ifndef GOLOOP_CAPACITY_H
#define GOLOOP_CAPACITY_H

#include "base.h"

int capacity_check(int *procs);

#endif
