"""Rounds: every loop once a round, next to each other in time, each round in another order."""

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
    """A row with its samples: by loop, in the order of the rounds."""

    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict)


def measure(row: Row, loops: list[Loop], rounds: int, bench: Bench, progress: Progress) -> Measured:
    """All rounds of one row. A failure is a sample with an error; the other loops and rounds go on."""
    measured = Measured(row, {loop.name: [] for loop in loops})
    for number in range(rounds):
        first = number % len(loops)
        for loop in loops[first:] + loops[:first]:
            try:
                sample = row.measure(loop, bench)
            except RowFailed as failure:
                sample = Sample(error=str(failure))
            except Exception as error:  # a fault of the harness in one row must not cost the others
                sample = Sample(error=f"harness: {type(error).__name__}: {error}")
            measured.samples[loop.name].append(sample)
            progress(row, number, loop, sample)
    return measured
