/* Bytes into asyncio.StreamReader. */
#ifndef GOLOOP_READER_H
#define GOLOOP_READER_H

#include "state.h"

enum fed { FEED_FAILED = -1, FED, NOT_FED };

int reader_setup(State *state); /* finds the classes, and what of them is asyncio's own */
enum fed reader_take(State *state, PyObject *protocol, const char *p, Py_ssize_t n);
/* What protocol.data_received(p[:n]) would do, where that is StreamReaderProtocol's and leads to feed_data of a
 * StreamReader with room for n bytes. NOT_FED: nothing has been done, and data_received is to be called. */
static inline enum fed reader_feed(State *state, PyObject *protocol, const char *p, Py_ssize_t n) {
    return (PyObject *)Py_TYPE(protocol) == state->streams.protocol ? reader_take(state, protocol, p, n) : NOT_FED;
}

#endif
