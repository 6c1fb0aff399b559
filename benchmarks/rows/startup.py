"""From nothing to a program that has run."""

from __future__ import annotations

from rows.row import Startup

ROWS = [
    Startup(
        "startup-import",
        "ms",
        "import of asyncio and the loop's package in a bare interpreter",
        part="import",
    ),
    Startup(
        "startup-first-loop",
        "ms",
        "first loop of a process: make, run an empty coroutine, close",
        part="first",
    ),
]
