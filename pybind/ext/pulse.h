/* What others see of a loop while it runs: gl_pulse. */
#ifndef GOLOOP_PULSE_H
#define GOLOOP_PULSE_H

#include "loop.h"

uint32_t pulse_runs(LoopObject *loop);                      /* this thread runs it from now on; the phase before */
void pulse_runs_no_more(LoopObject *loop, uint32_t before); /* but perhaps a run that this one was in */
void pulse_ended(LoopObject *loop, int64_t began);
void pulse_late(LoopObject *loop, int64_t ns); /* a timer whose turn comes without the engine */

#ifdef GOLOOP_NO_METRICS /* benchmarks/observed.py compares with this */
enum { MEASURED = 0 };
#else
enum { MEASURED = 1 };
#endif

static inline void pulse_phase(LoopObject *loop, uint32_t phase) {
    if (MEASURED) loop->shared.pulse.phase = phase;
}

static inline void pulse_turn(LoopObject *loop) {
    if (MEASURED) loop->shared.pulse.turns++;
}

/* A callback begins: when, if its time is to be taken, else 0. */
static inline int64_t pulse_begins(LoopObject *loop) {
    return !MEASURED || ++loop->shared.pulse.ran % GL_TIMED ? 0 : monotonic_ns();
}

static inline void pulse_batch(LoopObject *loop, uint64_t callbacks) {
    gl_pulse *pulse = &loop->shared.pulse;
    if (!MEASURED) return;
    pulse->ready = callbacks;
    if (callbacks > pulse->most_ready) pulse->most_ready = callbacks;
}

#endif
