"""The arithmetic behind the tables: ``python -m pytest benchmarks``."""

from __future__ import annotations

from harness import summary
from harness.sample import Sample
from harness.schedule import Measured
from rows.idle import ROWS as IDLE
from rows.loops import ROWS as LOOPS
from rows.startup import ROWS as STARTUP

ROW = LOOPS[0]  # loops/s, more is better


def measured(**values: list[float | None]) -> Measured:
    """Samples by loop; None is a failed round. Processor time is ten times the value."""
    samples = {
        name: [Sample(error="broken") if value is None else Sample(value, value * 10) for value in column]
        for name, column in values.items()
    }
    return Measured(ROW, samples)


def test_ratio_is_taken_within_rounds() -> None:
    # The machine is twice as fast in the last round: the ratio of the medians would be 2.2, no round had that.
    line = summary.throughput(measured(asyncio=[50, 60, 100], ours=[110, 132, 220]), "ours")
    assert line.ratio
    assert (line.ratio.other, round(line.ratio.median, 6)) == ("asyncio", 2.2)
    assert round(line.ratio.least, 6) == round(line.ratio.greatest, 6) == 2.2


def test_best_other_is_one_loop_for_all_rounds() -> None:
    line = summary.throughput(measured(a=[100, 100, 300], b=[200, 200, 200], ours=[200, 200, 200]), "ours")
    assert line.ratio
    assert (line.ratio.other, line.ratio.median, line.ratio.least) == ("b", 1, 1)


def test_less_processor_time_is_better() -> None:
    line = summary.processor(measured(a=[4.0], b=[8.0], ours=[2.0]), "ours")
    assert line
    assert line.ratio
    assert (line.unit, line.ratio.other, line.ratio.median) == ("µs/loop", "a", 2)


def test_less_is_better_in_ms() -> None:
    row = Measured(STARTUP[0], {"a": [Sample(1.0)], "ours": [Sample(4.0)]})
    line = summary.throughput(row, "ours")
    assert line.ratio
    assert line.ratio.median == 0.25
    assert summary.processor(row, "ours") is None


def test_zero_is_the_best_of_what_should_be_little_and_has_no_ratio() -> None:
    samples = {"a": [Sample(0.0, 5.0)], "b": [Sample(3.0, 6.0)], "ours": [Sample(1.0, 10.0)]}
    row = Measured(IDLE[0], samples)
    assert summary.throughput(row, "ours").ratio is None  # "b" is not the best other loop
    assert summary.throughput(row, "a").ratio is None
    line = summary.processor(row, "ours")
    assert line
    assert line.ratio
    assert (line.unit, line.ratio.other, line.ratio.median) == ("µs/s", "a", 0.5)


def test_a_failed_round_fails_the_loop_and_is_told() -> None:
    row = measured(a=[1, None, 3], b=[1, 1, 1], ours=[2, 2, 2])
    line = summary.throughput(row, "ours")
    assert line.loops["a"] is None
    assert line.ratio
    assert line.ratio.other == "b"
    assert summary.failures(row) == ["loop-create-close, a: failed in 1 of 3 rounds: broken"]


def test_no_ratio_without_the_subject_or_without_others() -> None:
    assert summary.throughput(measured(a=[1], ours=[None]), "ours").ratio is None
    assert summary.throughput(measured(a=[None], ours=[1]), "ours").ratio is None
    assert summary.throughput(measured(ours=[1]), "ours").ratio is None


def test_spread_is_in_percent_of_the_median() -> None:
    spread = summary.spread([Sample(90), Sample(100), Sample(130)], lambda sample: sample.value)
    assert spread
    assert (spread.median, round(spread.low), round(spread.high)) == (100, -10, 30)
