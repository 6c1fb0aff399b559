"""From samples to the figures of the tables.

A ratio compares the subject with the best other loop within each round; its median over the rounds is reported, since
absolute figures drift over minutes and ratios of neighbours do not. The best other loop is the one with the best median,
the same in all rounds: the best of each round would be the luckiest. More than 1 is always better for the subject: more
throughput, or less processor time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from harness.sample import Sample
from harness.schedule import Measured


@dataclass(frozen=True)
class Spread:
    """A median with the extremes around it, in % of the median."""

    median: float
    low: float  # ≤ 0
    high: float  # ≥ 0


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


def throughput(measured: Measured, subject: str) -> Line:
    """The row's own value."""
    less = measured.row.less_is_better
    return line(measured, subject, measured.row.unit, less, lambda sample: sample.value)


def processor(measured: Measured, subject: str) -> Line | None:
    """Processor time an operation, None for a row that has none."""
    result = line(measured, subject, f"µs/{measured.row.operation}", True, lambda sample: sample.cpu)
    return result if any(result.loops.values()) else None


def line(
    measured: Measured, subject: str, unit: str, less: bool, pick: Callable[[Sample], float | None]
) -> Line:
    spreads = {name: spread(samples, pick) for name, samples in measured.samples.items()}
    return Line(measured.row.name, unit, spreads, ratio(measured, subject, less, spreads, pick))


def spread(samples: list[Sample], pick: Callable[[Sample], float | None]) -> Spread | None:
    """A loop that failed in any round has no figure: half a row would look like a whole one."""
    values = [pick(sample) for sample in samples if not sample.error]
    known = [value for value in values if value is not None]
    if not samples or len(known) < len(samples):
        return None
    middle = statistics.median(known)
    if not middle:
        return Spread(0.0, 0.0, 0.0)
    return Spread(middle, (min(known) / middle - 1) * 100, (max(known) / middle - 1) * 100)


def ratio(
    measured: Measured,
    subject: str,
    less: bool,
    spreads: dict[str, Spread | None],
    pick: Callable[[Sample], float | None],
) -> Ratio | None:
    """None when the subject or all others failed. Nothing is a multiple of zero, and zero of nothing."""
    others = {name: known.median for name, known in spreads.items() if known and name != subject}
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


def failures(measured: Measured) -> list[str]:
    """One sentence for each loop that failed: in how many rounds, and why the first time."""
    result = []
    for name, samples in measured.samples.items():
        errors = [sample.error for sample in samples if sample.error]
        if errors:
            result.append(
                f"{measured.row.name}, {name}: failed in {len(errors)} of {len(samples)} rounds: {errors[0]}"
            )
    return result


def warnings(measured: Measured) -> list[str]:
    """Figures that are not what they seem: the load generator's own, or those of a few favoured connections."""
    result = []
    for name, samples in measured.samples.items():
        seen = [sample.extra for sample in samples if "client_busy" in sample.extra]
        bound = sum(extra["client_busy"] > 0.95 and extra["server_busy"] < 0.9 for extra in seen)
        if bound:
            result.append(f"{measured.row.name}, {name}: load generator was the bottleneck in {bound} rounds")
        starved = [extra["starved"] for extra in seen if extra["starved"]]
        if starved:
            result.append(
                f"{measured.row.name}, {name}: up to {max(starved)} connections had no answer in a window"
            )
    return result
