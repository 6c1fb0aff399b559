"""What a second core gives to one process with two loops that share nothing."""

from __future__ import annotations

from dataclasses import dataclass

from harness.bench import Bench
from harness.loops import Loop
from harness.sample import Sample
from rows.row import Row


@dataclass(frozen=True)
class Scaling(Row):
    """Trips a second of two loops at once, as a multiple of those of one; processor time is that of two, a trip."""

    target: str = ""
    operation = "trip"

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        args = ["--loop", loop.spec, "--seconds", str(bench.options.seconds), "--in", self.target]
        result = bench.child("scaling_probe", args, pin=False, loop=loop)
        return Sample(result["two"] / result["one"], result["cpu_two"], result)


@dataclass(frozen=True)
class Trips(Scaling):
    """Trips a second, of one of the loops or of both."""

    loops: str = "one"

    def measure(self, loop: Loop, bench: Bench) -> Sample:
        result = super().measure(loop, bench).extra
        return Sample(result[self.loops], result[f"cpu_{self.loops}"], result)


def rows(target: str, where: str) -> list[Row]:
    pairs = "1 KiB through a socket pair and back, 10 pairs a loop"
    return [
        Trips(f"{target}-echo-1", "trips/s", f"{pairs}: one loop in {where}", False, target, "one"),
        Trips(f"{target}-echo-2", "trips/s", f"{pairs}: two loops in two {where}s", False, target, "two"),
        Scaling(f"{target}-scaling", "×", f"{target}-echo-2 as a multiple of {target}-echo-1", False, target),
    ]


ROWS = [
    *rows("threads", "thread"),
    *rows("interpreters", "sub-interpreter with its own GIL"),
]
