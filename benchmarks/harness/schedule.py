"""Rounds: every loop once a round, next to each other in time, each round in another order: each begins, and each follows each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.bench import Bench
from harness.loops import Loop
from harness.sample import RowFailed, Sample
from rows.row import Row

Progress = Callable[[Row, int, Loop, Sample], None]


@dataclass
class Measured:
    """A row with its samples: by loop, in the order of the rounds, up to the first that failed."""

    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict)


def measure(row: Row, loops: list[Loop], rounds: int, bench: Bench, progress: Progress) -> Measured:
    """All rounds of one row. A failure is a sample with an error; that loop has no figure then and is not asked again, the
    others go on."""
    measured = Measured(row, {loop.name: [] for loop in loops})
    asked = list(loops)
    if bench.floor:
        asked.append(bench.floor)
    fault = attempt(lambda: row.prepare(loops, bench))
    for number in range(rounds):
        for loop in in_turn(asked, number, len(loops)):
            samples = measured.samples.setdefault(loop.name, [])
            if samples and samples[-1].error:
                continue
            sample = fault or one(row, loop, bench)
            if sample:
                samples.append(sample)
                progress(row, number, loop, sample)
    if bench.floor and not measured.samples[bench.floor.name]:
        del measured.samples[bench.floor.name]
    return measured


def in_turn(asked: list[Loop], number: int, beginners: int) -> list[Loop]:
    """The order of a round: another begins, and when all have begun, they go the other way round."""
    first, backwards = number % beginners, number // beginners % 2
    order = asked[first:] + asked[:first]
    return [order[0], *order[:0:-1]] if backwards else order


def one(row: Row, loop: Loop, bench: Bench) -> Sample | None:
    """One sample; None of the floor where the row has none."""
    take = row.at_floor if loop is bench.floor else row.measure
    return attempt(lambda: take(loop, bench))


def attempt(take: Callable[[], Sample | None]) -> Sample | None:
    """What ``take`` returns, or a sample that says how it failed."""
    try:
        return take()
    except RowFailed as failure:
        return Sample(error=str(failure))
    except Exception as error:  # a fault of the harness in one row must not cost the others
        return Sample(error=f"harness: {type(error).__name__}: {error}")
