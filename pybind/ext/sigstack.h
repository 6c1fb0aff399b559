/* Where the signal handlers of a thread run that calls the engine. */
#ifndef GOLOOP_SIGSTACK_H
#define GOLOOP_SIGSTACK_H

#include "base.h"

void ensure_signal_stack(void);

#endif
