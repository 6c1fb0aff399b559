"""Which rows there are, and which a word chooses: ``python -m pytest benchmarks``."""

from __future__ import annotations

from typing import Any

import pytest

import rows
from harness.bench import Bench, Options
from harness.loadgen import Generator
from harness.loops import Loop
from harness.process import HOME
from rows.row import Row, Timed


def names(chosen: list[Row]) -> list[str]:
    return [row.name for row in chosen]


def test_no_two_lines_have_one_name() -> None:
    lines = [figure.name for row in rows.ALL for figure in row.figures]
    assert len(set(lines)) == len(lines)
    assert len(set(names(rows.ALL))) == len(rows.ALL)


def test_a_name_chooses_the_row_with_both_load_generators() -> None:
    assert names(rows.chosen(["udp-1KiB-10p"], False)) == ["udp-1KiB-10p", "udp-1KiB-10p/each"]
    assert names(rows.chosen(["udp-1KiB-*/each"], False)) == ["udp-1KiB-10p/each"]
    assert names(rows.chosen(["udp-1KiB-1p"], False)) == ["udp-1KiB-1p"]  # one peer: nothing to batch
    with pytest.raises(ValueError, match="no row matches 'udp-2'"):
        rows.chosen(["udp-*", "udp-2"], False)


def test_a_row_of_both_generators_is_a_default_in_both_or_in_none() -> None:
    by_group: dict[str, set[bool]] = {}
    for row in rows.ALL:
        by_group.setdefault(row.group, set()).add(row.default)
    assert all(len(defaults) == 1 for defaults in by_group.values())


def test_the_short_run_is_of_default_rows_and_takes_less_than_an_hour() -> None:
    chosen = rows.chosen(rows.SHORT, False)
    assert all(row.default for row in chosen)
    seconds = sum(row.expected(Options(seconds=0.5)) for row in chosen)
    assert 7 * 7 * seconds < 3600


def test_what_is_timed_is_in_µs_an_operation() -> None:
    class Pretended(Bench):
        def child(self, module: str, args: list[str], pin: bool = True, loop: Loop | None = None) -> Any:
            return {"operations": 200_000, "seconds": 0.5, "cpu": 0.4, "extra": {}}

    row = Timed("timed", "µs/timer", "")
    sample = row.measure(Loop("a", "a:new"), Pretended(Options(), Generator(HOME, None)))
    assert (sample.value, sample.cpu, row.operation, row.less_is_better) == (2.5, 2.0, "timer", True)
