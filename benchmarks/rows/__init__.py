"""All rows, in the order of the table. One family a module; a module's ``ROWS`` is all the harness asks for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from rows import (
    bulk,
    call_soon,
    connecting,
    databases,
    datagram,
    echo,
    http,
    idle,
    loops,
    memory,
    names,
    open_loop,
    pipes,
    processes,
    request_close,
    scaling,
    startup,
    tasks,
    threadsafe,
    ticks,
    timers,
    writelines,
)
from rows.row import Row, Served

FAMILIES: list[Row] = [
    *call_soon.ROWS,
    *threadsafe.ROWS,
    *timers.ROWS,
    *tasks.ROWS,
    *loops.ROWS,
    *scaling.ROWS,
    *names.ROWS,
    *startup.ROWS,
    *memory.ROWS,
    *idle.ROWS,
    *ticks.ROWS,
    *processes.ROWS,
    *echo.ROWS,
    *datagram.ROWS,
    *open_loop.ROWS,
    *bulk.ROWS,
    *writelines.ROWS,
    *pipes.ROWS,
    *request_close.ROWS,
    *connecting.ROWS,
    *http.ROWS,
    *databases.ROWS,
]
ALL: list[Row] = [row for one in FAMILIES for row in (one.pair() if isinstance(one, Served) else [one])]

# What --short measures: a row of each kind, so that a run of seven loops and seven rounds of 0.5 s takes less than an hour.
SHORT = [
    *(
        "call-soon-chained",
        "call-soon-chained-5000-idle",
        "call-soon-batch",
        "threadsafe-flood",
        "call-later-0-chained",
    ),
    *(
        "timers-timeouts",
        "timers-crowd",
        "timers-fire",
        "create-task",
        "gather-1000",
        "sleep0-1000",
        "futures",
        "queue",
    ),
    *(
        "loop-create-close",
        "run-nothing",
        "getaddrinfo-literal",
        "getnameinfo-localhost",
        "tcp-create-connection",
    ),
    *(
        "memory-idle-*",
        "memory-after-10000",
        "spawn-true-10",
        "tcp-protocol-1KiB-10c",
        "tcp-protocol-1KiB-500c",
    ),
    *("tcp-protocol-100KiB-10c", "tcp-pipelined-1KiB-10c", "tcp-two-writes-1KiB-10c", "tcp-streams-1KiB-10c"),
    *(
        "tcp-streams-100KiB-10c",
        "sock-1KiB-10c",
        "unix-protocol-1KiB-10c",
        "udp-1KiB-10p",
        "tls-protocol-1KiB-10c",
    ),
    *("tls-streams-1KiB-10c", "tls-handshakes", "open-100us-*", "bulk-*load-10c", "pipe-trips-1KiB"),
    *(
        "tcp-request-close-*",
        "uvicorn-hello-100c",
        "aiohttp-hello-100c",
        "websockets-1KiB-10c",
        "asyncpg-select",
    ),
    "redis-get",
]


def named(name: str) -> Any:
    """The row of that name; ``ValueError`` when there is none."""
    for row in ALL:
        if row.name == name:
            return row
    raise ValueError(f"there is no row {name!r}")


def matches(row: Row, pattern: str) -> bool:
    """By its name, or its group's: a row goes with both load generators."""
    return fnmatchcase(row.name, pattern) or fnmatchcase(row.group, pattern)


def chosen(patterns: list[str], full: bool) -> list[Row]:
    """The rows that match one of the patterns, or without patterns the default ones or all; ``ValueError`` for a pattern
    that matches nothing."""
    if not patterns:
        return [row for row in ALL if row.default or full]
    for pattern in patterns:
        if not any(matches(row, pattern) for row in ALL):
            raise ValueError(f"no row matches {pattern!r}")
    return [row for row in ALL if any(matches(row, pattern) for pattern in patterns)]
