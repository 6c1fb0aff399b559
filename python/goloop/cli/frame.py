"""A frame of ``top``, for rich to print."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .rates import BOUNDS, HELD, Row
from .stacks import stall

BAR = 30  # columns of the longest bar of the histogram
LAG = 0.01  # seconds, from which on lag is coloured; and ten times that


@dataclass
class Frame:
    """What is shown."""

    title: str
    rows: list[Row]
    lag: list[int]
    stalls: list[dict[str, Any]]
    watched: bool
    notice: str = ""
    order: str = "c"


def _of(number: float | None) -> float:
    return -1.0 if number is None else number


# By key: what the loops are sorted by, and how; the greatest first, but for the loop's number.
ORDERS: dict[str, tuple[str, Callable[[Row], float]]] = {
    "c": ("callbacks/s", lambda row: -_of(row.callbacks)),
    "p": ("python", lambda row: -_of(row.python)),
    "h": ("held", lambda row: -row.held),
    "g": ("lag", lambda row: -row.p99),
    "b": ("bytes/s", lambda row: -(_of(row.read) + _of(row.written))),
    "t": ("transports", lambda row: -row.transports),
    "n": ("loop", lambda row: row.loop),
}


def render(frame: Frame, height: int = 40, width: int = 120) -> RenderableType:
    """The frame, in so many lines and columns."""
    rows = sorted(frame.rows, key=lambda row: (ORDERS[frame.order][1](row), row.loop))
    spare = height - len(BOUNDS) - 12  # for loops and stalls
    shown = max(1, min(len(rows), spare - min(len(frame.stalls), spare // 2)))
    told = max(1, spare - shown)
    keys = " ".join(f"[b]{key}[/b] {name}" for key, (name, _) in ORDERS.items())
    parts: list[RenderableType] = [Text(frame.title, style="bold", overflow="ellipsis", no_wrap=True)]
    parts.append(Text(frame.notice, style="bold red", overflow="ellipsis", no_wrap=True))
    parts.append(_loops(rows[:shown], len(rows) - shown, frame.order, width))
    parts.append(_histogram(frame.lag))
    parts.append(_stalls(frame.stalls[:told], frame.watched))
    parts.append(Text.from_markup(f"sort: {keys}   [b]q[/b] quit", overflow="ellipsis"))
    return Group(*parts)


# Columns: their heads, by which key's order they are underlined, from how wide a terminal on they are shown, what they show.
_COLUMNS: list[tuple[str, str, int, Callable[[Row], str | Text]]] = [
    ("loop", "n", 0, lambda row: str(row.loop)),
    ("thread", "", 110, lambda row: str(row.thread)),
    ("state", "h", 0, lambda row: _state(row)),
    ("calls/s", "c", 0, lambda row: _number(row.callbacks)),
    ("py", "p", 0, lambda row: _share(row.python)),
    ("eng", "", 90, lambda row: _share(row.engine)),
    ("wait", "", 90, lambda row: _share(row.waiting)),
    ("ready", "", 90, lambda row: str(row.ready)),
    ("lag p99", "g", 0, lambda row: _late(row.p99)),
    ("conns", "t", 0, lambda row: _number(row.transports)),
    ("in/s", "b", 0, lambda row: _bytes(row.read)),
    ("out/s", "b", 0, lambda row: _bytes(row.written)),
    ("queued", "", 100, lambda row: _bytes(row.queued)),
]


def _loops(rows: list[Row], more: int, order: str, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, padding=(0, 1, 0, 0), show_edge=False)
    columns = [column for column in _COLUMNS if width >= column[2]]
    for name, key, _, _ in columns:
        head = Text(name, style="bold underline" if key == order else "bold")
        table.add_column(
            head,
            justify="left" if name == "state" else "right",
            ratio=1 if name == "state" else None,
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*(of(row) for _, _, _, of in columns))
    if more > 0:
        table.add_row("…", *[f"{more} more" if name == "state" else "" for name, _, _, _ in columns[1:]])
    return table


def _state(row: Row) -> Text:
    if row.held >= HELD:
        return Text(f"HELD {row.held:.1f} s {short(row.at)}", style="bold red", overflow="ellipsis")
    return Text(row.phase, style="green" if row.phase == "waiting" else "")


def short(frame: str) -> str:
    """A frame with the file's name alone."""
    place, _, function = frame.partition(" ")
    return f"{place.rpartition('/')[2]} {function}"


def _histogram(counts: list[int]) -> Panel:
    most, total = max(counts), sum(counts)
    table = Table.grid(padding=(0, 1))
    for justify in ("right", "left", "right"):
        table.add_column(justify=justify, no_wrap=True)
    before = 0.0
    for bound, count in zip(BOUNDS, counts):
        label = f"< {seconds(bound)}" if bound < math.inf else f"≥ {seconds(before)}"
        bar = Text(_bar(count / most * BAR if most else 0), style=_colour(bound))
        share = f"{count}" if not count else f"{count}  {count / total:.1%}"
        table.add_row(label, bar, share)
        before = bound
    return Panel(table, title="lag of timers, since the last frame", title_align="left", box=box.ROUNDED)


def _bar(length: float) -> str:
    whole, eighths = divmod(round(length * 8), 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[eighths] if eighths else "")


def _stalls(stalls: list[dict[str, Any]], watched: bool) -> Panel:
    lines = Text(overflow="ellipsis", no_wrap=True)
    for number, each in enumerate(stalls):
        lines.append("\n" if number else "")
        lines.append(stall(each), style="bold red" if each["event"] == "stalled" else "yellow")
    if not stalls:
        lines.append("none" if watched else "not told: nobody called goloop.watch()", style="dim")
    return Panel(lines, title="stalls, the newest first", title_align="left", box=box.ROUNDED)


def _colour(late: float) -> str:
    return "red" if late > 10 * LAG else "yellow" if late > LAG else "green"


def _late(late: float) -> Text:
    return Text(seconds(late), style=_colour(late))


def seconds(number: float) -> str:
    """A time in the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number / 1e-6:.3g} µs"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _number(number: float | None) -> str:
    if number is None:
        return "–"
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if number >= 10 * scale:
            return f"{number / scale:.4g}{unit}"
    return f"{number:.0f}"


def _bytes(number: float | None) -> str:
    if number is None:
        return "–"
    for unit, scale in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if number >= scale:
            return f"{number / scale:.1f}{unit}"
    return f"{number:.0f}"
