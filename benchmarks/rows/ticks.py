"""A loop that has little to do: what its wake-ups cost, of all threads."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

from harness.bench import Bench, Options
from harness.loops import Loop
from harness.sample import Sample
from rows.host import Host, Outcome
from rows.row import Timed

LEAST = 1.0  # s: one wake-up differs from the next
PERIODS = (2, 8, 20)  # ms


def tick(host: Host, period: float) -> Outcome:
    """A timer every so many s, which schedules the next."""
    loop = host.loop
    ticks = 0

    def step() -> None:
        nonlocal ticks
        ticks += 1
        if time.perf_counter() - start < seconds:
            loop.call_later(period, step)
        else:
            loop.stop()

    seconds = max(host.seconds, LEAST)
    cpu, start = time.process_time(), time.perf_counter()
    loop.call_later(period, step)
    loop.run_forever()
    return Outcome(ticks, time.perf_counter() - start, time.process_time() - cpu)


@dataclass(frozen=True)
class Ticks(Timed):
    """What counts is the processor time, also of helper threads on the other core."""

    pin: bool = False

    def expected(self, options: Options) -> float:
        return super().expected(options) + max(0.0, LEAST - options.seconds)

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        sample = super().measure(loop, bench)
        return replace(sample, value=sample.cpu or 0.0)


def row(period: int) -> Ticks:
    what = f"processor time of a timer every {period} ms, on two cores"
    return Ticks(f"ticks-{period}ms", "µs/tick", what, body=partial(tick, period=period / 1000))


ROWS = [row(period) for period in PERIODS]
