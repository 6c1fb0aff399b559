"""What one measurement of one row on one loop gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class RowFailed(Exception):
    """A measurement that could not be made; the text says why, in one line."""


@dataclass
class Sample:
    """One measurement; ``error`` is set, and nothing else counts, when it failed."""

    value: float = 0.0  # in the row's unit
    cpu: float | None = None  # processor time of all threads, µs an operation; None where the row has none
    extra: dict[str, Any] = field(default_factory=dict)  # latencies, shares of a core, …: kept in the JSON
    error: str | None = None
