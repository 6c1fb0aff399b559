"""The arithmetic behind the tables: ``python -m pytest benchmarks``."""

from __future__ import annotations

from dataclasses import replace

from harness import floor, summary, table
from harness.loadgen import Load
from harness.modes import clusters
from harness.sample import Sample
from harness.schedule import Measured
from rows.idle import ROWS as IDLE
from rows.loops import ROWS as LOOPS
from rows.open_loop import ROWS as OPEN
from rows.row import Served
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
    [line] = summary.throughput(measured(asyncio=[50, 60, 100], ours=[110, 132, 220]), "ours")
    assert line.ratio
    assert (line.ratio.other, round(line.ratio.median, 6)) == ("asyncio", 2.2)
    assert round(line.ratio.least, 6) == round(line.ratio.greatest, 6) == 2.2


def test_best_other_is_one_loop_for_all_rounds() -> None:
    [line] = summary.throughput(measured(a=[100, 100, 300], b=[200, 200, 200], ours=[200, 200, 200]), "ours")
    assert line.ratio
    assert (line.ratio.other, line.ratio.median, line.ratio.least) == ("b", 1, 1)


def test_less_processor_time_is_better() -> None:
    line = summary.processor(measured(a=[4.0], b=[8.0], ours=[2.0]), "ours")
    assert line
    assert line.ratio
    assert (line.unit, line.ratio.other, line.ratio.median) == ("µs/loop", "a", 2)


def test_less_is_better_in_ms() -> None:
    row = Measured(STARTUP[0], {"a": [Sample(1.0)], "ours": [Sample(4.0)]})
    [line] = summary.throughput(row, "ours")
    assert line.ratio
    assert line.ratio.median == 0.25
    assert summary.processor(row, "ours") is None


def test_zero_is_the_best_of_what_should_be_little_and_has_no_ratio() -> None:
    samples = {"a": [Sample(0.0, 5.0)], "b": [Sample(3.0, 6.0)], "ours": [Sample(1.0, 10.0)]}
    row = Measured(IDLE[0], samples)
    assert summary.throughput(row, "ours")[0].ratio is None  # "b" is not the best other loop
    assert summary.throughput(row, "a")[0].ratio is None
    line = summary.processor(row, "ours")
    assert line
    assert line.ratio
    assert (line.unit, line.ratio.other, line.ratio.median) == ("µs/s", "a", 0.5)


def test_a_failed_round_fails_the_loop_and_is_told() -> None:
    row = measured(a=[1, None], b=[1, 1, 1], ours=[2, 2, 2])
    [line] = summary.throughput(row, "ours")
    assert line.loops["a"] is None
    assert line.ratio
    assert line.ratio.other == "b"
    assert summary.failures(row) == ["loop-create-close, a: failed in round 2: broken"]


def test_no_ratio_without_the_subject_or_without_others() -> None:
    assert summary.throughput(measured(a=[1], ours=[None]), "ours")[0].ratio is None
    assert summary.throughput(measured(a=[None], ours=[1]), "ours")[0].ratio is None
    assert summary.throughput(measured(ours=[1]), "ours")[0].ratio is None


def test_spread_is_in_percent_of_the_median() -> None:
    spread = summary.spread([Sample(90), Sample(100), Sample(130)], lambda sample: sample.value)
    assert spread
    assert (spread.median, round(spread.low), round(spread.high)) == (100, -10, 30)


def pair(batched: dict[str, float], each: dict[str, float]) -> list[summary.Line]:
    """The lines of a row with both load generators, decided."""
    rows = Served("echo", "req/s", "", load=Load("echo", 10)).pair()
    lines = [
        line
        for row, values in zip(rows, (batched, each), strict=True)
        for line in summary.throughput(
            Measured(row, {name: [Sample(value)] for name, value in values.items()}), "ours"
        )
    ]
    summary.decide(lines)
    return lines


def test_both_generators_are_lines_of_one_row_and_the_worse_decides() -> None:
    lines = pair({"a": 100, "ours": 118}, {"a": 100, "ours": 44})
    assert [(line.name, line.group, line.decides) for line in lines] == [
        ("echo", "echo", False),
        ("echo/each", "echo", True),
    ]
    assert [table.against(line)[0] for line in lines] == ["(1.18)", "0.44"]
    assert [line.decides for line in pair({"a": 100, "ours": 44}, {"a": 100, "ours": 118})] == [True, False]


def test_geometric_mean_counts_a_row_once() -> None:
    lines = pair({"a": 100, "ours": 400}, {"a": 100, "ours": 50})
    lines += summary.throughput(measured(a=[1], ours=[8]), "ours")
    summary.decide(lines)
    assert summary.verdict(lines) == "Geometric mean over 2 rows: 2.000; 1 below 1, the least 0.50 (echo)."


def test_what_is_only_shown_decides_nothing() -> None:
    lines = pair({"a": 100, "ours": 118}, {"a": 100, "ours": 44})
    lines[1].judged = False
    summary.decide(lines)
    assert [line.decides for line in lines] == [True, False]


def test_no_verdict_without_ratios() -> None:
    assert summary.verdict(summary.throughput(measured(ours=[1]), "ours")) == ""


def test_only_small_messages_of_several_connections_are_batched() -> None:
    row = Served("echo", "req/s", "", load=Load("echo", 10))
    assert [one.name for one in row.pair()] == ["echo", "echo/each"]
    assert "-batch" in row.pair()[0].load.args(10)
    assert "-batch" not in row.pair()[1].load.args(10)
    for load in (Load("echo", 1), Load("echo", 10, 8192), Load("echo", 10, depth=16), Load("http", 10)):
        assert replace(row, load=load).pair() == [replace(row, load=load)]


def test_the_floor_is_none_of_the_others() -> None:
    row = measured(a=[100], ours=[200])
    row.samples[floor.NAME] = [Sample(1000)]
    [line] = summary.throughput(row, "ours")
    assert line.ratio
    assert (line.ratio.other, line.ratio.median) == ("a", 2)
    assert line.loops[floor.NAME]


def test_two_clusters_are_two_modes() -> None:
    modes = clusters([184, 101, 180, 99, 186, 100, 182])
    assert modes
    assert (modes.low, modes.lows, modes.high, modes.highs) == (100, 3, 183, 4)
    assert modes.border == 140.5


def test_one_cluster_an_outlier_a_drift_or_too_few_are_no_modes() -> None:
    assert clusters([100, 101, 99, 102, 98]) is None
    assert clusters([100, 101, 99, 102, 180]) is None  # one sample is no mode
    assert clusters([100, 120, 140, 160, 180, 200]) is None
    assert clusters([100, 100, 118, 118, 118]) is None  # apart, and near
    assert clusters([100, 110, 150, 165, 170]) is None  # far, and wide
    assert clusters([100, 100, 180, 180]) is None
    assert clusters([0, 0, 0, 0, 0]) is None


def test_modes_are_told_with_how_often_and_how_busy() -> None:
    values = [100.0, 101.0, 180.0, 181.0, 182.0]
    samples = [Sample(value, extra={"server_busy": 0.55 if value < 150 else 0.97}) for value in values]
    row = Measured(ROW, {"ours": samples})
    assert summary.bimodal(row) == [
        "loop-create-close, ours: two modes, 100 loops/s in 2 of 5 rounds and 181 in 3,"
        " the server busy for 55% and 97% of the time"
    ]
    [line] = summary.throughput(row, "ours")
    assert table.cell(line.loops["ours"]) == "100 ×2, 181 ×3"


def test_an_open_loop_is_judged_by_p50_and_p99() -> None:
    def sample(p50: float, p99: float, p999: float) -> Sample:
        return Sample(p99, extra={"p50_us": p50, "p99_us": p99, "p999_us": p999})

    row = Measured(OPEN[0], {"a": [sample(100, 300, 900)], "ours": [sample(50, 400, 9000)]})
    lines = summary.throughput(row, "ours")
    summary.decide(lines)
    assert [(line.name.rpartition("/")[2], line.decides) for line in lines] == [
        ("p50", False),
        ("p99", True),
        ("p99.9", False),
    ]
    assert lines[1].ratio
    assert lines[1].ratio.median == 0.75
