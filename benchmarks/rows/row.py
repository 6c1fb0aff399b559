"""The kinds of rows."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from harness.bench import Bench, Options
from harness.loadgen import Load
from harness.loops import Loop
from harness.sample import Sample
from rows.host import Host, Outcome

MIB = 1024 * 1024
EACH = "with a load generator that serves each connection by itself"
START = 0.35  # s that a fresh process takes to start and to end, about
SETTLE = 0.5  # s until what a server starts with, and its last answer, have come to rest


@dataclass(frozen=True)
class Figure:
    """One line that a row's samples give."""

    name: str
    unit: str
    less_is_better: bool
    pick: Callable[[Sample], float | None]
    judged: bool = True  # False: shown, but no part of the row's ratio


@dataclass(frozen=True)
class Row(ABC):
    """What is measured: a line of the table, or several."""

    name: str
    unit: str
    what: str  # one sentence
    default: bool = True  # False: only with --full, or when named by --rows
    less_is_better = False

    @property
    def operation(self) -> str:
        """What processor time is divided by: call of calls/s."""
        return self.unit.partition("/")[0].removesuffix("s")

    @property
    def figures(self) -> list[Figure]:
        """The lines, but for processor time."""
        return [Figure(self.name, self.unit, self.less_is_better, lambda sample: sample.value)]

    @property
    def group(self) -> str:
        """What has one ratio: ``NAME`` and ``NAME/each`` are one."""
        return self.name.partition("/")[0]

    def at_floor(self, loop: Loop, bench: Bench) -> Sample | None:
        """One sample of the C server; None where it cannot stand in."""
        return None

    def prepare(self, loops: list[Loop], bench: Bench) -> None:  # noqa: B027  # most rows need nothing
        """What has to be known before the first round; ``RowFailed`` fails the row on all loops."""

    def expected(self, options: Options) -> float:
        """About how long a sample takes, in s."""
        return START + options.seconds

    @abstractmethod
    def measure(self, loop: Loop, bench: Bench) -> Sample:
        """One sample; ``RowFailed`` when there is none."""


@dataclass(frozen=True)
class Served(Row):
    """A server in a process of its own and the load generator in another."""

    module: str = ""
    args: tuple[str, ...] = ()
    load: Load = Load("echo")
    unix: bool = False
    warm: bool = True
    floor: str = ""  # what the C server is asked for, where it can stand in

    def pair(self) -> list[Row]:
        """The row with each of the load generators: the one that batches, and the one that serves each by itself."""
        if not self.load.batches:
            return [self]
        each = replace(self, name=f"{self.name}/each", what=f"the same, {EACH}")
        return [replace(self, load=replace(self.load, batch=True)), each]

    def expected(self, options: Options) -> float:
        return START + 0.2 + options.lead + options.seconds

    def at_floor(self, loop: Loop, bench: Bench) -> Sample | None:
        return replace(self, args=(self.floor,)).measure(loop, bench) if self.floor else None

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        if not self.unix:
            return self.measure_at(loop, bench, [*self.args])
        with bench.socket_path() as path:
            return self.measure_at(loop, bench, [*self.args, "--unix", path])

    def measure_at(self, loop: Loop, bench: Bench, args: list[str]) -> Sample:
        with bench.server(loop, self.module, args) as server:
            if self.warm:
                bench.warm(server, self.load)
            result = bench.load(server, self.load)
            status = server.status()
        operations = result["bytes"] / MIB if self.unit == "MiB/s" else result["requests"]
        seconds, server_cpu = result["seconds"], result["server_cpu_s"]
        result["unbatched"] = self.load.batch and not result["batched"]
        busy = {"server_busy": server_cpu / seconds, "client_busy": result["client_cpu_s"] / seconds}
        return Sample(operations / seconds, server_cpu / operations * 1e6, result | status | busy)


@dataclass(frozen=True)
class InProcess(Row):
    """A body run in a child process on a loop of the kind."""

    body: Callable[[Host], Outcome] = Host.nothing
    pin: bool = True  # False for a body with a second thread: pinned, the two would take turns
    service: str = ""  # the name of a server that the body is a client of

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        args = ["--loop", loop.spec, "--row", self.name, "--seconds", str(bench.options.seconds)]
        if self.service:
            args += ["--service", bench.service(self.service)]
        result = bench.child("rows.host", args, self.pin, loop)
        operations = result["operations"]
        return Sample(operations / result["seconds"], result["cpu"] / operations * 1e6, result["extra"])


@dataclass(frozen=True)
class Timed(InProcess):
    """The same as µs an operation; the unit is µs/OPERATION."""

    less_is_better = True

    @property
    def operation(self) -> str:
        return self.unit.partition("/")[2]

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        sample = super().measure(loop, bench)
        return replace(sample, value=1e6 / sample.value)


@dataclass(frozen=True)
class Startup(Row):
    """A part of a fresh process's start, in ms: the median of several processes."""

    part: str = ""
    less_is_better = True
    operation = "start"

    def expected(self, options: Options) -> float:
        return options.starts * 0.2

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        runs: list[dict[str, Any]] = [
            bench.child("startup_probe", [loop.spec], loop=loop) for _ in range(bench.options.starts)
        ]
        wall = [run[self.part] * 1e3 for run in runs]
        cpu = statistics.median(run[f"{self.part}_cpu"] * 1e6 for run in runs)
        return Sample(statistics.median(wall), cpu, {"each": wall})


@dataclass(frozen=True)
class IdleMemory(Row):
    """Growth of a server's resident memory by idle connections, in bytes a connection."""

    module: str = ""
    args: tuple[str, ...] = ()
    conns: int = 2000
    less_is_better = True

    def expected(self, options: Options) -> float:
        return START + 1.0

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        with bench.server(loop, self.module, [*self.args]) as server:
            bench.warm(server, Load("echo", size=64))
            before = server.rss()
            with bench.generator.idle(server.addr, self.conns):
                after = server.rss()
            status = server.status()
        extra = {"rss_before": before, "rss_after": after, **status}
        return Sample((after - before) / self.conns, None, extra)


@dataclass(frozen=True)
class GoneMemory(Row):
    """Growth of a server's resident memory by connections that came, were used and went, in KiB."""

    module: str = ""
    args: tuple[str, ...] = ()
    conns: int = 1000
    times: int = 10
    less_is_better = True

    def expected(self, options: Options) -> float:
        return START + SETTLE + self.times * 0.4

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        with bench.server(loop, self.module, [*self.args]) as server:
            bench.warm(server, Load("echo", size=64))
            before = server.rss()
            for _ in range(self.times):
                with bench.generator.idle(server.addr, self.conns):
                    pass
            time.sleep(SETTLE)
            after = server.rss()
            status = server.status()
        extra = {"rss_before": before, "rss_after": after, **status}
        return Sample(max(0, after - before) / 1024, None, extra)


@dataclass(frozen=True)
class Idle(Row):
    """How often the threads of a server that has nothing to do wake up, and the processor time of a second of that.

    A thread that wakes up goes to sleep again: what is counted is voluntary context switches.
    """

    seconds: float = 10.0
    less_is_better = True
    operation = "s"

    def expected(self, options: Options) -> float:
        return START + SETTLE + self.seconds

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        with bench.server(loop, "servers.idle", []) as server, bench.generator.idle(server.addr, 1):
            time.sleep(SETTLE)
            start, cpu, sleeps = time.perf_counter(), server.cpu(), server.sleeps()
            time.sleep(self.seconds)
            after, used = server.sleeps(), server.cpu() - cpu
            seconds = time.perf_counter() - start
            status = server.status()
        woken = sum(count - sleeps.get(thread, 0) for thread, count in after.items())
        return Sample(
            woken / seconds, used / seconds * 1e6, {"wake_ups": woken, "seconds": seconds, **status}
        )
