"""From samples to the figures of the tables.

A ratio compares the subject with the best other loop within each round; its median over the rounds is reported, since
absolute figures drift over minutes and ratios of neighbours do not. The best other loop is the one with the best median,
the same in all rounds: the best of each round would be the luckiest. More than 1 is always better for the subject: more
throughput, or less processor time.

A row may have several lines: of two load generators, or of several percentiles. Its ratio is the worst of theirs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness import floor
from harness.modes import Modes, clusters
from harness.number import number
from harness.sample import Sample
from harness.schedule import Measured

LATE = 50.0  # µs that an open loop's messages may leave after they were due
Pick = Callable[[Sample], float | None]


@dataclass(frozen=True)
class Spread:
    """A median with the extremes around it, in % of the median."""

    median: float
    low: float  # ≤ 0
    high: float  # ≥ 0
    modes: Modes | None = None  # where the median says little


@dataclass(frozen=True)
class Ratio:
    """The subject against the best other loop: median, least and greatest of the rounds."""

    other: str
    median: float
    least: float
    greatest: float


@dataclass
class Line:
    """One line of a table."""

    name: str
    unit: str
    loops: dict[str, Spread | None]  # None: failed or not measured
    ratio: Ratio | None
    group: str = ""
    judged: bool = True
    decides: bool = False  # whether its ratio is the row's


def throughput(measured: Measured, subject: str) -> list[Line]:
    """The row's own figures."""
    row = measured.row
    result = []
    for figure in row.figures:
        one = line(measured, subject, figure.unit, figure.less_is_better, figure.pick)
        one.name, one.judged = figure.name, figure.judged
        result.append(one)
    return result


def processor(measured: Measured, subject: str) -> Line | None:
    """Processor time an operation, None for a row that has none."""
    result = line(measured, subject, f"µs/{measured.row.operation}", True, lambda sample: sample.cpu)
    return result if any(result.loops.values()) else None


def line(measured: Measured, subject: str, unit: str, less: bool, pick: Pick) -> Line:
    spreads = {name: spread(samples, pick) for name, samples in measured.samples.items()}
    known = ratio(measured, subject, less, spreads, pick)
    return Line(measured.row.name, unit, spreads, known, measured.row.group)


def spread(samples: list[Sample], pick: Pick) -> Spread | None:
    """A loop that failed in any round has no figure: half a row would look like a whole one."""
    values = [pick(sample) for sample in samples if not sample.error]
    known = [value for value in values if value is not None]
    if not samples or len(known) < len(samples):
        return None
    middle = statistics.median(known)
    if not middle:
        return Spread(0.0, 0.0, 0.0)
    return Spread(middle, (min(known) / middle - 1) * 100, (max(known) / middle - 1) * 100, clusters(known))


def ratio(
    measured: Measured, subject: str, less: bool, spreads: dict[str, Spread | None], pick: Pick
) -> Ratio | None:
    """None when the subject or all others failed. Nothing is a multiple of zero, and zero of nothing."""
    others = {
        name: known.median for name, known in spreads.items() if known and name not in (subject, floor.NAME)
    }
    ours = spreads.get(subject)
    if not others or not ours:
        return None
    best = (min if less else max)(others, key=lambda name: others[name])
    if not others[best] or not ours.median:
        return None
    ratios = []
    for our, their in zip(measured.samples[subject], measured.samples[best], strict=True):
        mine, other = pick(our), pick(their)
        if mine and other:
            ratios.append(other / mine if less else mine / other)
    return Ratio(best, statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def decide(lines: Iterable[Line]) -> None:
    """Mark in each group the line whose ratio is the row's: the worst of those that are judged."""
    worst: dict[str, Line] = {}
    for one in lines:
        one.decides = False
        if one.judged and one.ratio:
            known = worst.setdefault(one.group, one)
            assert known.ratio
            if one.ratio.median < known.ratio.median:
                worst[one.group] = one
    for one in worst.values():
        one.decides = True


def verdict(lines: list[Line]) -> str:
    """The geometric mean of the rows' ratios, and how they lie; empty when there is none."""
    ratios = {one.group: one.ratio.median for one in lines if one.decides and one.ratio}
    if not ratios:
        return ""
    mean = math.exp(statistics.fmean(map(math.log, ratios.values())))
    worst = min(ratios, key=lambda name: ratios[name])
    below = sum(value < 1 for value in ratios.values())
    return f"Geometric mean over {len(ratios)} rows: {mean:.3f}; {below} below 1, the least {ratios[worst]:.2f} ({worst})."


def failures(measured: Measured) -> list[str]:
    """One sentence for each loop that failed: in which round, and why."""
    result = []
    for name, samples in measured.samples.items():
        for place, sample in enumerate(samples, 1):
            if sample.error:
                result.append(f"{measured.row.name}, {name}: failed in round {place}: {sample.error}")
    return result


def bimodal(measured: Measured) -> list[str]:
    """One sentence for each loop whose rounds fall into two clusters: where they lie, how often, what goes with them."""
    result = []
    for figure in measured.row.figures:
        for name, samples in measured.samples.items():
            known = spread(samples, figure.pick)
            if not known or not known.modes:
                continue
            modes = known.modes
            said = f"{figure.name}, {name}: two modes, {number(modes.low)} {figure.unit} in {modes.lows} of {len(samples)} rounds"
            said += f" and {number(modes.high)} in {modes.highs}"
            busy = [[], []]  # type: list[list[float]]
            for sample in samples:
                if "server_busy" in sample.extra:
                    busy[(figure.pick(sample) or 0.0) > modes.border].append(sample.extra["server_busy"])
            if all(busy):
                said += ", the server busy for {:.0%} and {:.0%} of the time".format(
                    *map(statistics.median, busy)
                )
            result.append(said)
    return result


def loads(measured: Measured) -> list[str]:
    """The rate of an open loop, and what it is a share of."""
    for samples in measured.samples.values():
        for extra in (sample.extra for sample in samples if "capacity" in sample.extra):
            return [
                f"{measured.row.name}: {extra['rate']:.0f} requests a second for all loops, of the"
                f" {extra['capacity']:.0f} that {extra['best']} answers in a closed loop"
            ]
    return []


def warnings(measured: Measured) -> list[str]:
    """Figures that are not what they seem: the load generator's own, or those of a few favoured connections."""
    result = []
    for name, samples in measured.samples.items():
        seen = [sample.extra for sample in samples if "client_busy" in sample.extra]
        bound = sum(extra["client_busy"] > 0.95 and extra["server_busy"] < 0.9 for extra in seen)
        late = [extra["late_p99_us"] for extra in seen if extra.get("late_p99_us")]
        if late and max(late) > LATE:
            result.append(f"{measured.row.name}, {name}: messages left up to {max(late):.0f} µs late (p99)")
        if bound and not late:
            result.append(f"{measured.row.name}, {name}: load generator was the bottleneck in {bound} rounds")
        starved = [extra["starved"] for extra in seen if extra["starved"]]
        if starved:
            result.append(
                f"{measured.row.name}, {name}: up to {max(starved)} connections had no answer in a window"
            )
        if any(extra.get("unbatched") for extra in seen):
            result.append(
                f"{measured.row.name}, {name}: no io_uring here, each connection was served by itself"
            )
    return result
