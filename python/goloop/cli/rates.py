"""What happened in each loop between two answers of ``/loops``."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any

from .answers import Endpoint


@dataclass(frozen=True)
class Sample:
    """All that is known of a process at one moment."""

    at: float
    info: dict[str, Any]
    loops: dict[int, dict[str, Any]]
    stalls: list[dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """A loop between two samples. Shares are of the time between them. ``None``: this is the first sample of it."""

    loop: int
    thread: int
    phase: str
    held: float
    at: str
    """The innermost frame, if the loop is held."""
    ready: int
    callbacks: float | None
    """A second, as the other rates."""
    python: float | None
    engine: float | None
    waiting: float | None
    read: float | None
    written: float | None
    transports: int
    queued: int
    p99: float
    """Of lag, in seconds, since the loop was made."""


HELD = 0.1  # seconds; what does not go on for longer is held
_HELD = re.compile(r'^goloop_held_seconds\{loop="(\d+)"\} (\S+)$', re.MULTILINE)


def take(endpoint: Endpoint) -> Sample:
    """Ask for a sample. Raises NoAnswer."""
    info, stalls, found = endpoint.load("/info"), endpoint.load("/stalls"), endpoint.load("/loops")
    _, text = endpoint.ask("/metrics")
    held = {int(number): float(seconds) for number, seconds in _HELD.findall(text.decode())}
    at = {}
    if any(seconds >= HELD for seconds in held.values()):  # else Python is not bothered
        at = {each["loop"]: each["stack"][0] for each in endpoint.load("/stack") if each["stack"]}
    loops = {
        each["loop"]: each | {"held": held.get(each["loop"], 0.0), "at": at.get(each["loop"], "")}
        for each in found
    }
    return Sample(time.monotonic(), info, loops, stalls)


def between(before: Sample | None, now: Sample) -> list[Row]:
    """A row for each loop that is open now."""
    return [_row(loop, before, now) for loop in now.loops.values()]


def _row(loop: dict[str, Any], before: Sample | None, now: Sample) -> Row:
    last = before.loops.get(loop["loop"]) if before else None
    elapsed = max(1e-6, now.at - before.at) if before else 1.0

    def rate(name: str) -> float | None:
        return None if last is None else (loop[name] - last[name]) / elapsed

    def share(name: str) -> float | None:
        found = rate(name)
        return None if found is None else min(1.0, max(0.0, found))

    return Row(
        loop=loop["loop"],
        thread=loop["native_id"],
        phase=loop["phase"],
        held=loop["held"],
        at=loop["at"] if loop["held"] >= HELD else "",
        ready=loop["ready"],
        callbacks=rate("callbacks"),
        python=share("python_seconds"),
        engine=share("engine_seconds"),
        waiting=share("wait_seconds"),
        read=rate("read_bytes"),
        written=rate("write_bytes"),
        transports=sum(loop[kind] for kind in _TRANSPORTS),
        queued=loop["queued_bytes"],
        p99=loop["lag"]["p99"],
    )


_TRANSPORTS = ("streams", "pipes", "datagrams", "servers")

BOUNDS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, math.inf)


def lag(before: Sample | None, now: Sample) -> list[int]:
    """How many timers of all loops were late, by less than each of BOUNDS and not less than the one before."""
    counts = [0] * len(BOUNDS)
    for number, loop in now.loops.items():
        last = before.loops.get(number) if before else None
        known = {bucket["below"]: bucket["count"] for bucket in last["lag"]["buckets"]} if last else {}
        for bucket in loop["lag"]["buckets"]:
            below = bucket["below"] or math.inf  # the last has no bound
            place = next(place for place, bound in enumerate(BOUNDS) if below <= bound * 1.1)
            counts[place] += max(0, bucket["count"] - known.get(bucket["below"], 0))
    return counts
