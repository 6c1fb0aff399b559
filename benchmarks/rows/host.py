"""The child process of an in-process row: ``python -m rows.host --loop SPEC --row NAME --seconds S``.

It makes the loop, checks whose it is, runs the row's body and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import loopspec


@dataclass
class Outcome:
    """What a body did: operations, wall time and processor time of all threads in s."""

    operations: int
    seconds: float
    cpu: float
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Host:
    """What a body runs on."""

    spec: str
    seconds: float
    loop: asyncio.AbstractEventLoop
    service: str = ""  # where the server is that the body is a client of

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Another loop of the kind."""
        loop: asyncio.AbstractEventLoop = loopspec.factory(self.spec)()
        return loop

    def lots(self, lot: Callable[[], int]) -> Outcome:
        """Call ``lot`` until the time is over, after once for warming; it returns how many operations it made.

        A lot should last some ms: it is not interrupted.
        """
        lot()
        operations = 0
        cpu, start = time.process_time(), time.perf_counter()
        while (seconds := time.perf_counter() - start) < self.seconds:
            operations += lot()
        return Outcome(operations, seconds, time.process_time() - cpu)

    def nothing(self) -> Outcome:
        """No body."""
        raise NotImplementedError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", required=True)
    parser.add_argument("--row", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--service", default="")
    options = parser.parse_args()

    import rows  # here, since the rows import this module

    row = rows.named(options.row)
    loop = loopspec.factory(options.loop)()
    loopspec.check(loop, options.loop)
    outcome = row.body(Host(options.loop, options.seconds, loop, options.service))
    loop.close()
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
