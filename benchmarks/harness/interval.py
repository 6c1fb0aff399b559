"""How far what was measured may be from what more rounds would tell: the bootstrap.

As many rounds as there were are drawn from them, each as often as chance has it, and their median taken; and that many times. Of
those medians, all but the lowest and the highest fortieth lie in the interval.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence

DRAWS = 2000
SEED = 1  # the same figures for the same rounds

Interval = tuple[float, float]


def of_median(values: Sequence[float]) -> Interval:
    """That of the median."""
    return middle_of(lambda chance: statistics.median(chance.choices(values, k=len(values))))


def mean_of_medians(rows: Sequence[Sequence[float]]) -> float:
    """The geometric mean of the rows' medians; values are parts by which something is more."""
    return math.exp(statistics.fmean(math.log1p(statistics.median(values)) for values in rows)) - 1


def of_mean_of_medians(rows: Sequence[Sequence[float]]) -> Interval:
    """That of mean_of_medians: rounds are drawn, rows are not."""
    return middle_of(
        lambda chance: mean_of_medians([chance.choices(values, k=len(values)) for values in rows])
    )


def middle_of(draw: Callable[[random.Random], float]) -> Interval:
    """Where 95 of 100 draws lie."""
    chance = random.Random(SEED)
    drawn = sorted(draw(chance) for _ in range(DRAWS))
    cut = DRAWS // 40
    return drawn[cut], drawn[-1 - cut]
