/* The control plane's module, which gopy made and the engine's library holds. */
#ifndef GOLOOP_CONTROL_H
#define GOLOOP_CONTROL_H

#include "state.h"

PyObject *control_module(PyObject *module, PyObject *ignored); /* of the module */

#endif
