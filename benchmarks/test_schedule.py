"""Rounds of rows that fail: ``python -m pytest benchmarks``."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bench import Bench, Options
from harness.loadgen import Generator
from harness.loops import Loop
from harness.process import HOME
from harness.sample import RowFailed, Sample
from harness.schedule import in_turn, measure
from rows.row import Row

A, B, C = Loop("a", "a:new"), Loop("b", "b:new"), Loop("C", "/floor")


@dataclass(frozen=True)
class Fake(Row):
    """Fails on ``b``, or for want of preparation; the floor has a figure when ``floor`` says so."""

    prepared: bool = True
    floor: bool = False

    def prepare(self, loops: list[Loop], bench: Bench) -> None:
        if not self.prepared:
            raise RowFailed("no capacity")

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        if loop is B:
            raise RowFailed("b cannot")
        return Sample(1.0)

    def at_floor(self, loop: Loop, bench: Bench) -> Sample | None:
        return Sample(2.0) if self.floor else None


def rounds(row: Row) -> dict[str, list[str | None]]:
    """The errors of three rounds, by loop."""
    bench = Bench(Options(), Generator(HOME, None), C)
    measured = measure(row, [A, B], 3, bench, lambda *_: None)
    return {name: [sample.error for sample in samples] for name, samples in measured.samples.items()}


def test_a_loop_that_failed_is_not_asked_again_and_the_others_go_on() -> None:
    assert rounds(Fake("fake", "x/s", "")) == {"a": [None] * 3, "b": ["b cannot"]}


def test_the_floor_has_samples_where_it_can_stand_in() -> None:
    assert rounds(Fake("fake", "x/s", "", floor=True))["C"] == [None] * 3


def test_a_row_that_cannot_be_prepared_fails_on_all() -> None:
    row = Fake("fake", "x/s", "", prepared=False)
    assert rounds(row) == {"a": ["no capacity"], "b": ["no capacity"], "C": ["no capacity"]}


def test_each_begins_and_follows_each_other() -> None:
    orders = ["".join(loop.name for loop in in_turn([A, B, C], number, 3)) for number in range(7)]
    assert orders == ["abC", "bCa", "Cab", "aCb", "baC", "Cba", "abC"]
