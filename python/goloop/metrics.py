"""What is measured of a loop, always."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Times:
    """How long something took, of all that happened or of a sample; in seconds. A figure is right to a fifth."""

    count: int
    sum: float
    p50: float
    p90: float
    p99: float
    p999: float
    buckets: tuple[tuple[float, int], ...]
    """Pairs of a bound and how many were shorter than it, and no shorter than the bound before. Empty ones are left out."""


@dataclass(frozen=True)
class Metrics:
    """One loop at one moment. What counts does so since the loop was made; times are in seconds.

    Two figures may be of different moments.
    """

    loop: int
    """Names the loop as long as the process lives."""
    selector: str
    phase: str
    """``python``, ``engine``, ``waiting`` (in the selector), ``gil`` (waits for the GIL) or ``idle`` (nobody runs it)."""
    native_id: int
    """The thread that runs the loop, or has run it last: :func:`threading.get_native_id`, 0 if there was none."""
    thread: int
    """The same by :func:`threading.get_ident`."""
    interpreter: int
    callbacks: int
    """Callbacks that have begun, of handles, transports and watched descriptors."""
    callback_times: Times
    """Of each 256th."""
    ready: int
    """Callbacks that were ready when the last turn's batch began, ``most_ready`` in the longest."""
    most_ready: int
    age: float
    turns: int
    """Turns that asked the engine or the selector."""
    wait_seconds: float
    """In the selector, with nothing to do."""
    engine_seconds: float
    """In the engine, estimated from each 64th turn."""
    python_seconds: float
    """All other time that it was run: in callbacks, and waiting for the GIL."""
    lag: Times
    """By how much timers were late when their turn came."""
    timers: int
    timers_added: int
    timers_fired: int
    timers_cancelled: int
    """Of those that the engine has taken, as it does when one is due or there are many: not of timers that are cancelled before."""
    streams: int
    """Stream transports; of Unix and TCP sockets."""
    pipes: int
    datagrams: int
    servers: int
    """Listening sockets."""
    watched: int
    """Descriptors of ``add_reader``, ``add_writer`` and ``sock_*`` that wait."""
    paused: int
    """Transports that are not read, for they were paused."""
    lookups: int
    """Names that are being looked up."""
    children: int
    """Child processes that are watched."""
    queued_bytes: int
    """What transports have taken and the kernel has not."""
    accepts: int
    accept_failures: int
    reads: int
    read_bytes: int
    writes: int
    write_bytes: int
    submissions: int
    completions: int
    full_rings: int
    """Completions that found no room and came a turn later."""
    batches: int
    """System calls of io_uring(7), each of which served several sockets."""


_NAMES = [field.name for field in fields(Metrics)]


def _times(found: dict[str, Any]) -> Times:
    buckets = tuple((bucket["below"], bucket["count"]) for bucket in found["buckets"])
    return Times(
        found["count"], found["sum"], found["p50"], found["p90"], found["p99"], found["p999"], buckets
    )


def of(found: dict[str, Any]) -> Metrics:
    """Metrics of the engine's answer."""
    values = {name: found[name] for name in _NAMES}
    values["lag"], values["callback_times"] = _times(found["lag"]), _times(found["callback_times"])
    return Metrics(**values)
