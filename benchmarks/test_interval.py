"""Intervals: they hold what is to be held, are narrow with many rounds, and say when nothing can be told."""

from __future__ import annotations

import random

import pytest

from harness import interval
from observed import verdict


def rounds(cost: float, n: int, seed: int) -> list[float]:
    """Ratios of rounds whose noise is of 5 %."""
    chance = random.Random(seed)
    return [cost + chance.gauss(0, 0.05) for _ in range(n)]


def test_interval_of_rounds_that_agree_is_a_point():
    assert interval.of_median([0.5] * 9) == (0.5, 0.5)


def test_interval_holds_the_cost_nearly_always():
    held = 0
    for seed in range(40):
        low, high = interval.of_median(rounds(0.01, 25, seed))
        held += low <= 0.01 <= high
    assert held >= 34


def test_many_rounds_make_it_narrow():
    widths = [high - low for low, high in (interval.of_median(rounds(0, n, 3)) for n in (8, 300))]
    assert widths[1] < widths[0] / 2


def test_mean_is_of_the_rows_medians():
    assert interval.mean_of_medians([[0.0, 0.0, 9.0], [0.21, 0.21, 0.21]]) == pytest.approx(0.1)
    low, high = interval.of_mean_of_medians([rounds(0.02, 40, seed) for seed in range(10)])
    assert 0 < low < 0.02 < high < 0.04


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.02, 0.009, "within 1%"),
        (0.011, 0.02, "more than 1%"),
        (-0.01, 0.02, "1% is not told from noise: more rounds"),
    ],
)
def test_verdict(low, high, said):
    assert verdict(low, high, 0.01) == said
