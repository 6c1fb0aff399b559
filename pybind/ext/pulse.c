#include "pulse.h"

#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "engine.h"

/* The number that the system knows this thread by; 0 where that cannot be had. Asked for once, and again after fork(). */
static int32_t native_thread(void) {
#ifdef __linux__
    static _Thread_local int32_t number;
    static _Thread_local uint64_t generation;
    if (generation != process_generation) {
        number = (int32_t)syscall(SYS_gettid);
        generation = process_generation;
    }
    return number;
#else
    return 0;
#endif
}

uint32_t pulse_runs(LoopObject *loop) {
    gl_pulse *pulse = &loop->shared.pulse;
    uint32_t before = pulse->phase;
    pulse->native = native_thread();
    pulse->thread = own_thread();
    pulse->interpreter = PyInterpreterState_GetID(PyInterpreterState_Get());
    pulse->phase = GL_PHASE_PYTHON;
    if (!pulse->run_since) pulse->run_since = monotonic_ns();
    return before;
}

void pulse_runs_no_more(LoopObject *loop, uint32_t before) {
    gl_pulse *pulse = &loop->shared.pulse;
    pulse->phase = before;
    if (before != GL_PHASE_IDLE) return;
    pulse->run_before += monotonic_ns() - pulse->run_since;
    pulse->run_since = 0;
}

/* Four steps to a doubling, from 1024 ns: as loop.Histogram has it. */
static unsigned place_of(int64_t ns) {
    if (ns < 1 << 10) return 0;
    unsigned below = 61 - (unsigned)__builtin_clzll((uint64_t)ns), place = below * 4 + (unsigned)(ns >> below) - 35;
    return place < GL_TIMES ? place : GL_TIMES - 1;
}

int64_t pulse_timed(LoopObject *loop) {
    loop->shared.pulse.ran.word += GL_RAN_ROUND;
    return monotonic_ns();
}

void pulse_ended(LoopObject *loop, int64_t began) {
    gl_pulse *pulse = &loop->shared.pulse;
    int64_t took = monotonic_ns() - began;
    pulse->taken += (uint64_t)took;
    pulse->times[place_of(took)]++;
}

/* Late by no more than the clock has gone, though a program may ask for minus infinity. */
void pulse_late(LoopObject *loop, int64_t now, int64_t when) {
    gl_pulse *pulse = &loop->shared.pulse;
    int64_t ns = now - (when > 0 ? when : 0);
    if (!MEASURED) return;
    pulse->late += ns > 0 ? (uint64_t)ns : 0;
    pulse->lates[place_of(ns)]++;
}
