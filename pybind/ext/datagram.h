/* A datagram socket; the class has asyncio's name, _SelectorDatagramTransport. */
#ifndef GOLOOP_DATAGRAM_H
#define GOLOOP_DATAGRAM_H

#include "base.h"

int datagram_setup(PyObject *module);
PyObject *loop_datagram_transport(LoopObject *loop, PyObject *args); /* a method of the loop */

#endif
