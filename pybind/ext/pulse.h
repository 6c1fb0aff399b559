/* What others see of a loop while it runs: gl_pulse. */
#ifndef GOLOOP_PULSE_H
#define GOLOOP_PULSE_H

#include "loop.h"

uint32_t pulse_runs(LoopObject *loop);                      /* this thread runs it from now on; the phase before */
void pulse_runs_no_more(LoopObject *loop, uint32_t before); /* but perhaps a run that this one was in */
int64_t pulse_timed(LoopObject *loop); /* the time of the callback that has begun is taken: since when */
void pulse_ended(LoopObject *loop, int64_t began);
void pulse_late(LoopObject *loop, int64_t now, int64_t when); /* a timer whose turn comes without the engine */

#ifdef GOLOOP_NO_METRICS /* benchmarks/observed.py compares with this */
enum { MEASURED = 0 };
#else
enum { MEASURED = 1 };
#endif

static inline void pulse_phase(LoopObject *loop, uint32_t phase) {
    if (MEASURED) loop->shared.pulse.phase = phase;
}

/* A callback begins: whether its time is to be taken. */
static inline bool pulse_begins(LoopObject *loop) {
    if (!MEASURED) return false;
    return __builtin_expect(--loop->shared.pulse.ran.parts[GL_RAN_LEFT] == 0, 0);
}

/* Bytes were written without the engine, by one call. */
static inline void pulse_sent(LoopObject *loop, uint64_t bytes) {
    if (!MEASURED) return;
    loop->shared.sent++;
    loop->shared.sent_bytes += bytes;
}

/* A turn without the engine has found so many events, */
static inline void pulse_near(LoopObject *loop, uint64_t events) {
    if (!MEASURED) return;
    loop->shared.near_turns++;
    loop->shared.near_events += events;
}

/* and read. */
static inline void pulse_read(LoopObject *loop, uint64_t bytes) {
    if (!MEASURED) return;
    loop->shared.near_reads++;
    loop->shared.near_bytes += bytes;
}

static inline void pulse_batch(LoopObject *loop, uint64_t callbacks) {
    gl_pulse *pulse = &loop->shared.pulse;
    if (!MEASURED) return;
    pulse->ready = callbacks;
    if (__builtin_expect(callbacks > pulse->most_ready, 0)) pulse->most_ready = callbacks;
}

#endif
