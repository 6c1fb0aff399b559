/* Completions: what the engine has told, of the batch under way. */
#ifndef GOLOOP_COMPLETION_H
#define GOLOOP_COMPLETION_H

#include "loop.h"

/* Our own kinds: a completion that has become a handle, owned by the entry; one
 * that is nobody's. */
enum { GL_RUN_HANDLE = 1000, GL_NOTHING = 1001 };

/* Turns the completions that name handles into these at once: a callback that
 * runs before one of them may cancel it, and its id may be taken again. */
void completions_resolve(LoopObject *loop);
void completions_drop_cancelled(LoopObject *loop); /* and what stands before all others and is nothing */
void completions_clear(LoopObject *loop); /* lets go of what the rest of the batch holds */
int completions_traverse(LoopObject *loop, visitproc visit, void *arg);
bool completions_accepted(LoopObject *loop, bool drop); /* whether stop() has left some; drop: closes them */
void completions_unkeep(LoopObject *loop); /* puts what is kept for the next run before what is left of the batch */

static inline void *at(uint64_t address) { return (void *)(uintptr_t)address; }

#endif
