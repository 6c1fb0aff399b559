/* The Loop type. */
#ifndef GOLOOP_LOOPTYPE_H
#define GOLOOP_LOOPTYPE_H

#include "base.h"

int loop_setup(PyObject *module);

#endif
