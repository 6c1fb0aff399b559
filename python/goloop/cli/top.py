"""``top``: the loops of a process, live in the terminal."""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import rates
from .answers import Endpoint, NoAnswer
from .finding import find

if TYPE_CHECKING:
    from .frame import Frame


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "top",
        help="the loops of a process, live",
        description="Show the loops of a process as top(1) shows processes. Needs rich: pip install 'goloop[cli]'.",
    )
    parser.add_argument(
        "target", metavar="PID|PATH|HOST:PORT", help="a process, or where its endpoint listens"
    )
    parser.add_argument(
        "--interval", metavar="SECONDS", type=float, default=1.0, help="between two frames (1)"
    )
    parser.add_argument("--once", action="store_true", help="print one frame and end")
    parser.set_defaults(command=show)


def show(options: argparse.Namespace) -> int:
    """Show it until q, or once. Raises NoAnswer when there is no endpoint at the start."""
    if not 0.05 <= options.interval <= 3600:
        raise NoAnswer("an interval is 0.05 to 3600 seconds")
    try:
        import rich  # noqa: F401 - only whether it is there
    except ImportError:
        raise NoAnswer("top needs rich, which is not installed: pip install 'goloop[cli]'") from None
    endpoint = find(options.target)
    first = rates.take(endpoint)
    if options.once:
        from rich.console import Console

        from .frame import render

        time.sleep(options.interval)
        console = Console()
        console.print(
            render(make_frame(endpoint, first, rates.take(endpoint)), max(console.height, 40), console.width)
        )
        return 0
    try:
        _live(endpoint, first, options.interval)
    except KeyboardInterrupt:
        pass
    return 0


def make_frame(endpoint: Endpoint, before: rates.Sample | None, now: rates.Sample) -> Frame:
    """What is shown of two samples, or of the first."""
    from .frame import Frame

    threshold = now.info["threshold"]
    watchdog = f"watchdog {threshold:g} s" if threshold else "no watchdog"
    title = f"goloop {now.info['goloop']}, process {now.info['pid']} ({endpoint.address}), {watchdog}, {time.strftime('%H:%M:%S')}"
    return Frame(title, rates.between(before, now), rates.lag(before, now), now.stalls, bool(threshold))


class _Sampler:
    """A thread that asks, for an endpoint may be slow and keys must not wait for it."""

    def __init__(self, endpoint: Endpoint, interval: float) -> None:
        self.news: queue.SimpleQueue[rates.Sample | NoAnswer] = queue.SimpleQueue()
        self._endpoint, self._interval = endpoint, interval
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="goloop-top", daemon=True).start()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                self.news.put(rates.take(self._endpoint))
            except NoAnswer as exc:
                self.news.put(exc)
            except (KeyError, TypeError, AttributeError) as exc:
                self.news.put(
                    NoAnswer(f"{self._endpoint.address} answers what this goloop does not know: {exc!r}")
                )

    def end(self) -> None:
        self._ended.set()


def _live(endpoint: Endpoint, first: rates.Sample, interval: float) -> None:
    from rich.live import Live

    from .frame import ORDERS, render
    from .keys import Keys

    before, frame, order = first, make_frame(endpoint, None, first), "c"
    heard = time.monotonic()
    sampler = _Sampler(endpoint, interval)
    with Keys() as keys, Live(screen=sys.stdout.isatty(), auto_refresh=False) as live:
        try:
            while True:
                live.update(render(frame, live.console.height, live.console.width), refresh=True)
                key = keys.wait(0.1)
                if key == "q":
                    return
                if key in ORDERS:
                    frame.order = order = key
                while not sampler.news.empty():
                    news = sampler.news.get()
                    if isinstance(news, NoAnswer):
                        frame.notice = (
                            f"{news}; this is {time.monotonic() - heard:.0f} s old, and asked for again"
                        )
                        continue
                    heard = time.monotonic()
                    before, frame = news, make_frame(endpoint, before, news)
                    frame.order = order
        finally:
            sampler.end()
