"""Callbacks from inside the loop."""

from __future__ import annotations

import asyncio
import contextvars
import resource
import socket

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


def beside(host: Host, idle: int) -> Outcome:
    """The chain, on a loop that also has connections on which nothing happens."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = host.loop
    peers = []
    transports = []

    async def connect() -> None:
        for _ in range(idle):
            ours, peer = socket.socketpair()
            peers.append(peer)
            ours.setblocking(False)
            transports.append((await loop.create_connection(asyncio.Protocol, sock=ours))[0])

    loop.run_until_complete(connect())
    outcome = chained(host)
    for transport in transports:
        transport.abort()
    loop.run_until_complete(asyncio.sleep(0))
    for peer in peers:
        peer.close()
    return outcome


def beside_250(host: Host) -> Outcome:
    """Beside 250 idle connections."""
    return beside(host, 250)


def beside_5000(host: Host) -> Outcome:
    """Beside 5,000 idle connections."""
    return beside(host, 5000)


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
    InProcess(
        "call-soon-chained-250-idle", "calls/s", "the same beside 250 idle connections", body=beside_250
    ),
    InProcess(
        "call-soon-chained-5000-idle", "calls/s", "the same beside 5,000 idle connections", body=beside_5000
    ),
    InProcess("call-soon-batch", "calls/s", "call_soon, 1000 callbacks a turn", body=batches),
    InProcess(
        "call-soon-batch-args", "calls/s", "the same with three arguments and a context", body=batches_args
    ),
]
