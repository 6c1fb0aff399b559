/* The streams that one server has: a set of them without references. */
#ifndef GOLOOP_ATTACHED_H
#define GOLOOP_ATTACHED_H

#include "transport.h"

int attached_setup(PyObject *module);
void attached_drop(TransportObject *t); /* out of the one that it is in */

#endif
