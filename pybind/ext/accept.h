/* Accepted connections. */
#ifndef GOLOOP_ACCEPT_H
#define GOLOOP_ACCEPT_H

#include "listener.h"
#include "stream.h"

int on_accepted(LoopObject *loop, PyObject *listener, gl_cqe *c);
/* Calls connection_made of what is attached. put_off: stop() came in between, so that those whose server
 * was closed by now are not wanted any more. */
int make_accepted(LoopObject *loop, bool put_off);
static inline bool has_young(LoopObject *loop) { return loop->accept_era < loop->young_until; }
void age_accepted(LoopObject *loop); /* after a batch */
int accepted_clear(LoopObject *loop); /* ends what is attached and not made, and was never seen by anybody */

/* Methods of the loop. */
PyObject *loop_is_accepting(LoopObject *loop, PyObject *ignored);
PyObject *loop_cancel_accepted(LoopObject *loop, PyObject *ignored);

#endif
