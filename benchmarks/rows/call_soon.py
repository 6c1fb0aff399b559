"""Callbacks from inside the loop."""

from __future__ import annotations

import contextvars

from rows.host import Host, Outcome
from rows.row import InProcess

CHAIN = 20_000
BATCH = 1000
BATCHES = 20


def chained(host: Host) -> Outcome:
    """A callback schedules the next: one callback a turn."""
    loop = host.loop
    left = 0

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            loop.stop()

    def lot() -> int:
        nonlocal left
        left = CHAIN
        loop.call_soon(step)
        loop.run_forever()
        return CHAIN

    return host.lots(lot)


def nothing(*args: object) -> None:
    """The callback of the batches."""


def batches(host: Host, *args: object, context: contextvars.Context | None = None) -> Outcome:
    """A callback schedules 1000 others and itself: 1000 callbacks a turn."""
    loop = host.loop
    call_soon = loop.call_soon
    left = 0

    def fill() -> None:
        nonlocal left
        left -= 1
        if context is None:
            for _ in range(BATCH):
                call_soon(nothing)
        else:
            for _ in range(BATCH):
                call_soon(nothing, *args, context=context)
        if left:
            call_soon(fill)
        else:
            call_soon(loop.stop)

    def lot() -> int:
        nonlocal left
        left = BATCHES
        call_soon(fill)
        loop.run_forever()
        return BATCHES * BATCH

    return host.lots(lot)


def batches_args(host: Host) -> Outcome:
    """The same with three arguments and a context."""
    return batches(host, 1, "two", None, context=contextvars.copy_context())


ROWS = [
    InProcess("call-soon-chained", "calls/s", "call_soon, each callback scheduling the next", body=chained),
    InProcess("call-soon-batch", "calls/s", "call_soon, 1000 callbacks a turn", body=batches),
    InProcess(
        "call-soon-batch-args", "calls/s", "the same with three arguments and a context", body=batches_args
    ),
]
