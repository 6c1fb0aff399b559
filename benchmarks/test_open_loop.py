"""Who gets which rate in an open loop: ``python -m pytest benchmarks``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.bench import Bench, Options
from harness.loadgen import Generator, Load
from harness.loops import Loop
from harness.process import HOME
from harness.sample import RowFailed
from rows.open_loop import OpenLoop, Rates

CAPACITY = {"slow": 1000, "fast": 4000}  # requests a second


class Pretended(Bench):
    """A bench whose loops answer as many requests as ``CAPACITY`` says; the others do not start."""

    def __init__(self) -> None:
        super().__init__(Options(), Generator(HOME, None))
        self.rates: dict[str, list[float]] = {}
        self.closed: list[str] = []

    def child(self, module: str, args: list[str], pin: bool = True) -> Any:
        return 60.0  # turns a µs

    @contextlib.contextmanager
    def server(self, loop: Loop, module: str, args: list[str]) -> Iterator[Any]:
        if loop.name not in CAPACITY:
            raise RowFailed("does not start")
        yield SimpleNamespace(name=loop.name, status=dict)

    def warm(self, server: Any, load: Load) -> None:
        pass

    def load(self, server: Any, load: Load, windows: float = 1) -> dict[str, Any]:
        if load.mode == "open":
            self.rates.setdefault(server.name, []).append(load.rate)
        else:
            self.closed.append(server.name)
        served = {"requests": CAPACITY[server.name] * 2, "seconds": 2.0, "p50_us": 1.0, "p99_us": 2.0}
        return served | {"server_cpu_s": 1.0, "client_cpu_s": 2.0}


def row(share: int) -> OpenLoop:
    return OpenLoop("open", "µs", "", work=100, share=share)


def test_all_loops_get_the_same_share_of_what_the_best_can_do() -> None:
    bench = Pretended()
    loops = [Loop(name, "") for name in ("slow", "broken", "fast")]
    for share in (30, 70):
        row(share).prepare(loops, bench)
        for loop in (loops[0], loops[2]):
            row(share).measure(loop, bench)
    assert bench.rates == {"slow": [1200, 2800], "fast": [1200, 2800]}
    assert bench.closed == ["slow", "fast"]  # once for both shares
    assert bench.known["open loop", 100] == Rates(turns=6000, best="fast", capacity=4000)


def test_without_a_loop_that_serves_there_is_no_rate() -> None:
    with pytest.raises(RowFailed, match="no loop serves the handler"):
        row(30).prepare([Loop("broken", "")], Pretended())
