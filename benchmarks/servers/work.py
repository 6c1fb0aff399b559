"""Answers each message of a fixed size with its own bytes, after some Python: what a handler costs that does something.

The work is a number of turns of a loop, the same for all loops under test: a handler that watched the clock would do less of it
where it is disturbed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from servers import common

SPINS = 20_000  # of one trial
TRIALS = 50


def spin(turns: int) -> int:
    """The work."""
    value = 1
    for turn in range(turns):
        value = (value * 31 + turn) & 0xFFFF
    return value


class Worker(asyncio.Protocol):
    """Works for each message, and answers it before the next."""

    transport: asyncio.Transport

    def __init__(self, size: int, turns: int) -> None:
        self.size = size
        self.turns = turns
        self.held = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.held:
            data = self.held + data
        size = self.size
        whole = len(data) // size * size
        for start in range(0, whole, size):
            spin(self.turns)
            self.transport.write(data[start : start + size])
        self.held = data[whole:]


def calibrate() -> float:
    """Turns a µs, of the fastest trial: the others were disturbed."""
    best = float("inf")
    for _ in range(TRIALS):
        start = time.perf_counter()
        spin(SPINS)
        best = min(best, time.perf_counter() - start)
    return SPINS / best / 1e6


def main() -> None:
    if sys.argv[1:] == ["--calibrate"]:
        print(json.dumps(calibrate()))
        return
    parser = common.parser(__doc__)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--turns", type=int, required=True)
    options = parser.parse_args()

    async def start() -> None:
        await common.serve_protocol(options, lambda: Worker(options.size, options.turns))

    common.serve(options, start)


if __name__ == "__main__":
    main()
