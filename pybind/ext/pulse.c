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
static int64_t place_of(int64_t ns) {
    double number = (double)ns;
    int64_t bits;
    memcpy(&bits, &number, sizeof bits);
    int64_t place = (bits >> 50) - ((1023 + 10) * 4 - 1);
    return place < 0 ? 0 : place < GL_TIMES ? place : GL_TIMES - 1;
}

void pulse_ended(LoopObject *loop, int64_t began) {
    gl_pulse *pulse = &loop->shared.pulse;
    int64_t took = monotonic_ns() - began;
    pulse->taken += (uint64_t)took;
    pulse->times[place_of(took)]++;
}

void pulse_late(LoopObject *loop, int64_t ns) {
    gl_pulse *pulse = &loop->shared.pulse;
    if (!MEASURED) return;
    pulse->late += ns > 0 ? (uint64_t)ns : 0;
    pulse->lates[place_of(ns)]++;
}
