"""OpenTelemetry: what is measured of the loops as metrics, and what has held one as spans. ``pip install 'goloop[otel]'``.

    goloop.otel.instrument()

OpenTelemetry is imported then, and only then. The SDK, its readers and exporters are the program's own; without one nothing is measured.

Names
    The semantic conventions have none for asyncio. What they say of Node.js's loop has its name with ``asyncio`` for ``nodejs``, the same
    units and meaning; a span's place in the source is under their ``code.*`` and ``thread.name``; the rest is under ``goloop.*``.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import os
import queue
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from . import answering, control, watching
from ._version import __version__
from .metrics import Metrics

__all__ = ["instrument", "uninstrument"]

_FRESH = 0.1  # seconds for which one snapshot serves, so that all instruments of a collection tell of the same moment
_WAITING = 1000  # reports that may wait for an exporter that is slow; more are dropped
_FRAME = re.compile(r"(?P<path>.*):(?P<line>\d+) (?P<name>.*)", re.DOTALL)

_Value = Callable[[Metrics], Iterable[tuple[float, dict[str, str]]]]


def _one(name: str) -> _Value:
    return lambda m: [(getattr(m, name), {})]


def _by(attribute: str, **fields: str) -> _Value:
    return lambda m: [(getattr(m, field), {attribute: value}) for value, field in fields.items()]


def _time(m: Metrics) -> list[tuple[float, dict[str, str]]]:
    state = "asyncio.eventloop.state"
    return [(m.python_seconds + m.engine_seconds, {state: "active"}), (m.wait_seconds, {state: "idle"})]


def _utilization(m: Metrics) -> list[tuple[float, dict[str, str]]]:
    active = m.python_seconds + m.engine_seconds
    return [(active / (active + m.wait_seconds), {})] if active + m.wait_seconds else []


def _mean(m: Metrics) -> list[tuple[float, dict[str, str]]]:
    return [(m.lag.sum / m.lag.count, {})] if m.lag.count else []


def _quantile(times: str, name: str) -> _Value:
    def value(m: Metrics) -> list[tuple[float, dict[str, str]]]:
        found = getattr(m, times)
        return [(getattr(found, name), {})] if found.count else []

    return value


_COUNTER, _UP_DOWN, _GAUGE = (
    "create_observable_counter",
    "create_observable_up_down_counter",
    "create_observable_gauge",
)

_INSTRUMENTS: list[tuple[str, str, str, str, _Value]] = [
    ("asyncio.eventloop.time", _COUNTER, "s", "Time in which the loop was active or idle.", _time),
    ("asyncio.eventloop.utilization", _GAUGE, "1", "The active part of that time.", _utilization),
    ("asyncio.eventloop.delay.mean", _GAUGE, "s", "By how much timers were late.", _mean),
    *(
        (
            f"asyncio.eventloop.delay.{q}",
            _GAUGE,
            "s",
            "By how much timers were late.",
            _quantile("lag", q),
        )
        for q in ("p50", "p90", "p99")
    ),
    *(
        (
            f"goloop.callback.duration.{q}",
            _GAUGE,
            "s",
            "Of each 256th callback.",
            _quantile("callback_times", q),
        )
        for q in ("p50", "p90", "p99")
    ),
    ("goloop.callbacks", _COUNTER, "{callback}", "Callbacks that have begun.", _one("callbacks")),
    (
        "goloop.ready",
        _UP_DOWN,
        "{callback}",
        "Callbacks that were ready in the last turn.",
        _one("ready"),
    ),
    ("goloop.turns", _COUNTER, "{turn}", "Turns that asked the engine or the selector.", _one("turns")),
    ("goloop.timers", _UP_DOWN, "{timer}", "Timers that wait.", _one("timers")),
    (
        "goloop.transports",
        _UP_DOWN,
        "{transport}",
        "Open transports.",
        _by("goloop.transport.kind", stream="streams", pipe="pipes", datagram="datagrams"),
    ),
    (
        "goloop.transports.paused",
        _UP_DOWN,
        "{transport}",
        "Those that are not read.",
        _one("paused"),
    ),
    ("goloop.servers", _UP_DOWN, "{socket}", "Listening sockets.", _one("servers")),
    ("goloop.watched", _UP_DOWN, "{descriptor}", "Descriptors that wait.", _one("watched")),
    ("goloop.lookups", _UP_DOWN, "{lookup}", "Lookups under way.", _one("lookups")),
    ("goloop.children", _UP_DOWN, "{process}", "Child processes that are watched.", _one("children")),
    ("goloop.queued", _UP_DOWN, "By", "Written, and not with the kernel.", _one("queued_bytes")),
    ("goloop.accepts", _COUNTER, "{connection}", "Connections that came.", _one("accepts")),
    ("goloop.accepts.failed", _COUNTER, "{failure}", "Failures to accept.", _one("accept_failures")),
    (
        "goloop.io",
        _COUNTER,
        "By",
        "Bytes read and written.",
        _by("network.io.direction", receive="read_bytes", transmit="write_bytes"),
    ),
    (
        "goloop.completions",
        _COUNTER,
        "{completion}",
        "What the engine has told.",
        _one("completions"),
    ),
    ("goloop.batches", _COUNTER, "{call}", "System calls of io_uring.", _one("batches")),
]


class _Loops:
    """The loops at one moment, for all instruments of a collection."""

    def __init__(self) -> None:
        self._found: list[Metrics] = []
        self._taken = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> list[Metrics]:
        with self._lock:
            if time.monotonic() - self._taken > _FRESH:
                self._found = control.loops()
                self._taken = time.monotonic()
            return self._found


class _Meters:
    """The instruments of one provider. They cannot be taken back, so they are switched off."""

    def __init__(self, meter: Any, observation: Any, loops: _Loops) -> None:
        self.on = True
        self._observation = observation
        self._loops = loops
        for name, create, unit, text, value in _INSTRUMENTS:
            getattr(meter, create)(name, [self._callback(value)], unit=unit, description=text)
        self.stalls = meter.create_counter(
            "goloop.stalls", "{stall}", "What has held a loop, by goloop.watch()."
        )

    def _callback(self, value: _Value) -> Callable[[Any], list[Any]]:
        def observe(options: Any) -> list[Any]:
            found = []
            try:
                for m in self._loops() if self.on else ():
                    loop = {"goloop.loop.id": m.loop}
                    found += [self._observation(number, {**loop, **more}) for number, more in value(m)]
            except Exception:
                _failed("metrics")
            return found

        return observe


class _Spans:
    """Makes spans of reports in a thread of its own: an exporter may block there, and the reports' thread goes on."""

    def __init__(self, tracer: Any, context: Any, meters: _Meters) -> None:
        self._tracer = tracer
        self._context = context  # of no parent: the stack says what the loop was at
        self._meters = meters
        self._open: dict[int, Any] = {}  # of stalls that last, by loop
        self._reports: queue.Queue[dict[str, Any] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="goloop-otel", daemon=True)
        self._thread.start()

    def tell(self, report: dict[str, Any]) -> None:
        with contextlib.suppress(queue.Full):
            self._reports.put_nowait(report)

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._reports.put_nowait(None)
        self._thread.join(1)

    def _run(self) -> None:
        while (report := self._reports.get()) is not None:
            self._try(self._take, report)
        for number in list(self._open):
            self._try(self._open.pop(number).end)

    def _try(self, function: Callable[..., object], *args: Any) -> None:
        try:
            function(*args)
        except Exception:
            _failed("spans")

    def _take(self, report: dict[str, Any]) -> None:
        now = int(datetime.fromisoformat(_microseconds(report["time"])).timestamp() * 1e9)
        span = self._open.pop(report["loop"], None)
        if span is not None and report["event"] == "stalled":  # its end was not told
            span.end(end_time=now)
            span = None
        if span is None:
            self._meters.stalls.add(
                1, {"goloop.loop.id": report["loop"], "goloop.stall.state": report["state"]}
            )
            start = now - int(report["seconds"] * 1e9)
            span = self._tracer.start_span("goloop.stall", self._context, start_time=start)
        span.set_attributes(_attributes(report))
        if report["event"] == "stalled":
            self._open[report["loop"]] = span
        else:
            span.end(end_time=now)


def _microseconds(text: str) -> str:
    """A time as Python before 3.11 reads it."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return f"{whole}.{fraction[:6]:0<6}+00:00"


def _attributes(report: dict[str, Any]) -> dict[str, str | int | float]:
    found: dict[str, str | int | float] = {
        "goloop.loop.id": report["loop"],
        "goloop.stall.state": report["state"],
        "goloop.stall.seconds": report["seconds"],
        "thread.name": report["thread"],
        "asyncio.task.name": report["task"],
    }
    if where := _FRAME.fullmatch(report["where"]):
        found["code.file.path"] = where["path"]
        found["code.line.number"] = int(where["line"])
        found["code.function.name"] = where["name"]
    if report["stack"]:
        lines = ["Stack (most recent call last):"]
        for said in reversed(report["stack"]):
            frame = _FRAME.fullmatch(said)
            lines.append(
                '  File "{path}", line {line}, in {name}'.format(**frame.groupdict())
                if frame
                else f"  {said}"
            )
        found["code.stacktrace"] = "\n".join(lines)
    return {name: value for name, value in found.items() if value != ""}


_lock = threading.Lock()
_spans: _Spans | None = None
_meters: _Meters | None = None
_known: weakref.WeakKeyDictionary[Any, _Meters] = weakref.WeakKeyDictionary()  # by provider
_watches = False  # whether the watchdog is ours
_said: set[str] = set()  # what has failed is said once


def _failed(what: str) -> None:
    if what not in _said:
        _said.add(what)
        logging.getLogger("goloop").warning("OpenTelemetry fails; goloop's %s are lost", what, exc_info=True)


def instrument(meter_provider: Any = None, tracer_provider: Any = None, *, threshold: float = 0.25) -> None:
    """Give metrics of all loops of this process, and a span of each callback that holds one for long. Twice is once.

    Spans are of what :func:`goloop.watch` reports, beside where it reports to; when nobody watches, this does, to the logger
    ``goloop``. A span begins when the loop stopped and ends when it went on. Their processors run in a thread of their own; what
    they raise is logged once.

    Args:
        meter_provider: ``None`` for the global one.
        tracer_provider: the same.
        threshold: seconds, of a watchdog that has to be started.

    A forked child is not instrumented: it calls this again, with providers that live there.

    Raises:
        ImportError: opentelemetry-api is not installed, or goloop was built without its control plane.
        RuntimeError: this is a sub-interpreter.
    """
    global _meters, _spans, _watches
    try:
        metrics = importlib.import_module("opentelemetry.metrics")
        trace = importlib.import_module("opentelemetry.trace")
        context = importlib.import_module("opentelemetry.context").Context()
    except ImportError as error:
        raise ImportError("goloop.otel needs opentelemetry-api: pip install 'goloop[otel]'") from error
    with _lock:
        if _spans is not None:
            return
        control.loops()
        if watching.settings is None:
            watching.watch(threshold)
            _watches = True
        elif answering._thread is None:  # a forked child, whose parent watches
            watching.watch(*watching.settings)
        provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
        _meters = _known.get(provider)
        if _meters is None:
            meter = metrics.get_meter("goloop", __version__, provider)
            _known[provider] = _meters = _Meters(meter, metrics.Observation, _Loops())
        _meters.on = True
        _spans = _Spans(trace.get_tracer("goloop", __version__, tracer_provider), context, _meters)
        watching.listeners.append(_spans.tell)
        atexit.register(
            uninstrument
        )  # before the providers' own, which came first: what was told is theirs by then


def uninstrument() -> None:
    """End :func:`instrument`: no more is measured or told. A stall that lasts ends its span now."""
    global _spans, _watches
    with _lock:
        if _spans is None or _meters is None:
            return
        atexit.unregister(uninstrument)
        watching.listeners.remove(_spans.tell)
        if _watches:
            watching.unwatch()
            _watches = False
        _meters.on = False
        _spans.close()
        _spans = None


def _forget() -> None:
    """In a forked child: the thread has not come along."""
    global _lock, _spans, _watches
    _lock = threading.Lock()
    if _spans is not None:
        atexit.unregister(uninstrument)
        watching.listeners.remove(_spans.tell)
        _spans, _watches = None, False
    if _meters is not None:
        _meters.on = False


os.register_at_fork(after_in_child=_forget)
