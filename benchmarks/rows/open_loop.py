"""Requests that come when they come, and handlers that do something: how late answers are.

A closed loop waits for a server that is late, and so leaves out what would have come meanwhile. Here messages are due by a
schedule, and latency counts from then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.bench import Bench, Options
from harness.loadgen import Load
from harness.loops import Loop
from harness.sample import RowFailed, Sample
from rows.row import START, Figure, Row

CONNS = 50
SIZE = 256
WINDOWS = 3  # of the other rows: a percentile needs many requests
WORK = (20, 100, 300)  # µs of Python in the handler
SHARES = (30, 70)  # % of what the best loop can do


@dataclass(frozen=True)
class Rates:
    """What is found out once a run for each handler: its work, and what the best loop can do of it."""

    turns: int
    best: str
    capacity: float  # requests a second, in a closed loop


def extra(key: str) -> Callable[[Sample], float | None]:
    return lambda sample: sample.extra.get(key)


@dataclass(frozen=True)
class OpenLoop(Row):
    """A handler of some µs at some share of the best loop's capacity: all loops get the same requests at the same times."""

    work: int = 0
    share: int = 0
    less_is_better = True
    operation = "req"

    @property
    def figures(self) -> list[Figure]:
        """The last one is of too few requests to be judged."""
        percentiles = (("p50", "p50_us", True), ("p99", "p99_us", True), ("p99.9", "p999_us", False))
        return [
            Figure(f"{self.name}/{name}", "µs", True, extra(key), judged) for name, key, judged in percentiles
        ]

    def expected(self, options: Options) -> float:
        return START + 0.2 + options.lead + WINDOWS * options.seconds

    def prepare(self, loops: list[Loop], bench: Bench) -> None:
        if ("open loop", self.work) in bench.known:
            return
        turns = round(float(bench.child("servers.work", ["--calibrate"])) * self.work)
        load = Load("echo", CONNS, SIZE)
        capacities = {}
        for loop in loops:
            try:
                with bench.server(loop, "servers.work", self.args(turns)) as server:
                    bench.warm(server, load)
                    result = bench.load(server, load)
            except RowFailed:
                continue  # is told when it fails the row
            capacities[loop.name] = result["requests"] / result["seconds"]
        if not capacities:
            raise RowFailed("no loop serves the handler in a closed loop")
        best = max(capacities, key=lambda name: capacities[name])
        bench.known["open loop", self.work] = Rates(turns, best, capacities[best])

    def args(self, turns: int) -> list[str]:
        return ["--size", str(SIZE), "--turns", str(turns)]

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        rates: Rates = bench.known["open loop", self.work]
        rate = rates.capacity * self.share / 100
        with bench.server(loop, "servers.work", self.args(rates.turns)) as server:
            bench.warm(server, Load("echo", CONNS, SIZE))
            result = bench.load(server, Load("open", CONNS, SIZE, rate=rate), WINDOWS)
            status = server.status()
        seconds, server_cpu = result["seconds"], result["server_cpu_s"]
        kept = {"rate": rate, "best": rates.best, "capacity": rates.capacity, "turns": rates.turns}
        busy = {"server_busy": server_cpu / seconds, "client_busy": result["client_cpu_s"] / seconds}
        cpu = server_cpu / result["requests"] * 1e6
        return Sample(result["p99_us"], cpu, result | status | busy | kept)


def row(work: int, share: int) -> Row:
    what = f"open loop at {share} % of the best loop's capacity, {work} µs of Python a request, {CONNS} connections"
    return OpenLoop(f"open-{work}us-{share}", "µs", what, work=work, share=share)


ROWS = [row(work, share) for work in WORK for share in SHARES]
