/* The control plane's module, which gopy made and the engine's library holds. Both are functions of ours. */
#ifndef GOLOOP_CONTROL_H
#define GOLOOP_CONTROL_H

#include "state.h"

PyObject *control_module(PyObject *module, PyObject *ignored);

#endif
