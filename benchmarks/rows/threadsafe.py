"""Callbacks from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 10_000


def flood(host: Host) -> Outcome:
    """One thread calls call_soon_threadsafe as fast as it can, in lots of 10,000; each lot ends when it has run."""
    loop = host.loop
    drained = threading.Event()
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1

    def lot() -> int:
        before = seen
        drained.clear()
        for _ in range(LOT):
            loop.call_soon_threadsafe(count)
        loop.call_soon_threadsafe(drained.set)
        drained.wait()
        assert seen - before == LOT, f"{seen - before} of {LOT} callbacks ran before the next one"
        return LOT

    return beside(host, lot)


def pingpong(host: Host) -> Outcome:
    """A thread wakes the loop, the loop wakes the thread: one at a time, so both always sleep."""
    loop = host.loop
    ping = threading.Lock()
    ping.acquire()
    times: list[float] = []

    def lot() -> int:
        for _ in range(100):
            start = time.perf_counter()
            loop.call_soon_threadsafe(ping.release)
            ping.acquire()
            times.append(time.perf_counter() - start)
        return 100

    outcome = beside(host, lot)
    times.sort()
    for name, share in (("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99)):
        outcome.extra[name] = times[int(len(times) * share)] * 1e6
    outcome.extra["max_us"] = times[-1] * 1e6
    return outcome


def beside(host: Host, lot: Callable[[], int]) -> Outcome:
    """Run the lots in a thread while the loop runs here."""
    result: list[Outcome] = []

    def work() -> None:
        try:
            result.append(host.lots(lot))
        finally:
            host.loop.call_soon_threadsafe(host.loop.stop)

    thread = threading.Thread(target=work)
    host.loop.call_soon(thread.start)
    host.loop.run_forever()
    thread.join()
    return result[0]


ROWS = [
    InProcess(
        "threadsafe-flood",
        "calls/s",
        "call_soon_threadsafe from one thread without a pause",
        body=flood,
        pin=False,
    ),
    InProcess(
        "threadsafe-pingpong",
        "trips/s",
        "call_soon_threadsafe and back through a lock, one at a time",
        body=pingpong,
        pin=False,
    ),
]
