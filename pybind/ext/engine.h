/* The Go library and its calls. */
#ifndef GOLOOP_ENGINE_H
#define GOLOOP_ENGINE_H

#include "loop.h"

extern volatile uint64_t process_generation; /* how many forks this process is away from the first */

/* Whether the loop was made in this process, and not in one that has forked it. */
static inline bool loop_is_ours(const LoopObject *loop) { return loop->generation == process_generation; }

/* A symbol of the library. NULL with an exception. It is of this process_generation. */
void *engine_symbol(const char *name);
int engine_open(LoopObject *loop, const char *selector, bool batched);
void engine_close(LoopObject *loop);
void engine_release(LoopObject *loop); /* the loop goes: rings and arena */
int engine_error(LoopObject *loop, int64_t code); /* sets the exception, returns -1 */
int engine_usable_slow(LoopObject *loop);         /* sets the exception if not */
static inline int engine_usable(LoopObject *loop) {
    if (loop->engine > 0 && loop_is_ours(loop)) return 0;
    return engine_usable_slow(loop);
}

/* Whether another thread's turn has it, and no answer can be had: sets the exception. What needs none is submitted. */
bool engine_taken(LoopObject *loop);

/* Of the module. */
PyObject *load_engine(PyObject *module, PyObject *args);
PyObject *engine_lacking(PyObject *module, PyObject *ignored);

#endif
