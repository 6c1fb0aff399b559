"""Timers that are cancelled, and timers that fire."""

from __future__ import annotations

import asyncio

from rows.host import Host, Outcome
from rows.row import InProcess, Timed

LOT = 10_000
CROWD = 100_000


def nothing() -> None:
    """The callback of timers that never fire."""


def delay(i: int, most: float) -> float:
    """A delay in 0..most s; neighbours of i lie far apart, the same on every run."""
    return (i * 7919 % 10_007) / 10_007 * most


def schedule_cancel(host: Host) -> Outcome:
    """call_later and cancel without yielding, 10,000 times, then one turn: the life of most timeouts."""
    loop = host.loop
    call_later = loop.call_later

    def churn() -> None:
        for _ in range(LOT):
            call_later(60, nothing).cancel()
        loop.call_soon(loop.stop)

    def lot() -> int:
        loop.call_soon(churn)
        loop.run_forever()
        return LOT

    return host.lots(lot)


def crowd(host: Host) -> Outcome:
    """100,000 timers within 10 ms, nine in ten cancelled, then the rest fire."""
    return fire(host, CROWD, 0.01, keep=10)


def all_fire(host: Host) -> Outcome:
    """10,000 timers within 1 ms, and all of them fire."""
    return fire(host, LOT, 0.001, keep=1)


def immediately(host: Host) -> Outcome:
    """``call_later(0)``, each callback scheduling the next."""
    loop = host.loop
    left = 0

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_later(0, step)
        else:
            loop.stop()

    def lot() -> int:
        nonlocal left
        left = LOT
        loop.call_later(0, step)
        loop.run_forever()
        return LOT

    return host.lots(lot)


def timeouts(host: Host) -> Outcome:
    """100,000 timers due within a minute; nine in ten are cancelled a turn later, the others a turn after that."""
    loop = host.loop
    delays = [10 + delay(i, 50.0) for i in range(CROWD)]

    def begin() -> None:
        call_later = loop.call_later
        loop.call_soon(most, [call_later(d, nothing) for d in delays])

    def most(timers: list[asyncio.TimerHandle]) -> None:
        for i, timer in enumerate(timers):
            if i % 10:
                timer.cancel()
        loop.call_soon(rest, timers)

    def rest(timers: list[asyncio.TimerHandle]) -> None:
        for timer in timers[::10]:
            timer.cancel()
        loop.stop()

    def lot() -> int:
        loop.call_soon(begin)
        loop.run_forever()
        return CROWD

    return host.lots(lot)


def fire(host: Host, count: int, most: float, keep: int) -> Outcome:
    """Schedule ``count`` timers, keep each ``keep``-th, wait until those have fired."""
    loop = host.loop
    delays = [delay(i, most) for i in range(count)]
    left = 0

    def fired() -> None:
        nonlocal left
        left -= 1
        if not left:
            loop.stop()

    def begin() -> None:
        nonlocal left
        call_later = loop.call_later
        timers = [call_later(d, fired) for d in delays]
        for i, timer in enumerate(timers):
            if i % keep:
                timer.cancel()
        left = len(range(0, count, keep))

    def lot() -> int:
        loop.call_soon(begin)
        loop.run_forever()
        return count

    return host.lots(lot)


ROWS = [
    InProcess(
        "timers-cancel",
        "timers/s",
        "call_later and cancel without yielding, in lots of 10,000",
        body=schedule_cancel,
    ),
    InProcess(
        "timers-crowd", "timers/s", "100,000 timers, nine in ten cancelled, then the rest fire", body=crowd
    ),
    InProcess(
        "call-later-0-chained",
        "calls/s",
        "call_later(0), each callback scheduling the next",
        body=immediately,
    ),
    Timed(
        "timers-timeouts",
        "µs/timer",
        "100,000 timers due within a minute, nine in ten cancelled a turn later, the others after that",
        body=timeouts,
    ),
    InProcess("timers-fire", "timers/s", "10,000 timers due within 1 ms, all fire", body=all_fire),
]
