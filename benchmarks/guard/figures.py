"""Instructions per operation: from the counts of lots, in a file, and compared with those of before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from guard.callgrind import Counts, Failed

LIMIT = 1.03  # what a figure may be, of what it was


# Of Go's runtime the memory that the engine takes is the engine's. The rest calls in and out, and hands processors from
# thread to thread as the clock tells it to.
RUNTIME = re.compile(r"(internal/)?runtime[./](?!.*(alloc|newobject|slice|memmove|memclr|map|Barrier))")


@dataclass(frozen=True)
class Figure:
    """Instructions per operation: in the extension's code, in the engine's, in Go's runtime, and in all."""

    extension: float
    engine: float
    runtime: float
    total: float

    @property
    def ours(self) -> float:
        """What we have written."""
        return self.extension + self.engine


def owner(path: str, function: str) -> str:
    """The field of Figure that a function counts for, besides the total."""
    if "/goloop/_core." in path:
        return "extension"
    if not path.endswith("/goloop/_engine.so"):
        return ""
    return "runtime" if RUNTIME.match(function) else "engine"


def figure(lots: Sequence[Counts], n: int) -> Figure:
    """That of lots of n and of 2n operations in turn.

    What else happens in a lot only adds to it, so the least of each kind is taken. Their difference is n operations,
    without what a lot takes to begin and to end. ``Failed`` when functions have no names.
    """
    engine = {function for lot in lots for path, function in lot if owner(path, function) == "engine"}
    if engine and not any(function.startswith("goloop") for function in engine):
        raise Failed("the engine has no symbols: it is to be built with GOLOOP_SYMBOLS=1")
    shares: list[Counter[str]] = []
    for lot in lots:
        share = Counter(total=sum(lot.values()))
        for (path, function), count in lot.items():
            share[owner(path, function)] += count
        shares.append(share)
    parts = ([share[field.name] for share in shares] for field in fields(Figure))
    return Figure(*((min(part[1::2]) - min(part[::2])) / n for part in parts))


def write(path: Path, about: Sequence[str], figures: dict[str, Figure]) -> None:
    """A file of tab-separated figures, below some lines about them."""
    lines = [f"# {line}" for line in about]
    lines.append("\t".join(["operation", *(field.name for field in fields(Figure))]))
    lines += [
        "\t".join([name, *(f"{round(x, 1) + 0.0}" for x in astuple(one))]) for name, one in figures.items()
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def read(path: Path) -> tuple[list[str], dict[str, Figure]]:
    """What ``write`` has written."""
    lines = path.read_text().splitlines()
    about = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    rows = [line.split("\t") for line in lines[len(about) + 1 :]]
    return about, {name: Figure(*map(float, numbers)) for name, *numbers in rows}


def ratio(now: float, before: float) -> float:
    """How many times as much; of nothing, 1 when it still is nothing."""
    if abs(before) < 1:
        return 1.0 if abs(now) < 1 else float("inf")
    return now / before


def risen(now: Figure, before: Figure) -> bool:
    """Whether it is more than it may be: our own share, or all."""
    return ratio(now.ours, before.ours) > LIMIT or ratio(now.total, before.total) > LIMIT


HEADINGS = ("operation", "extension", "engine", "before", "ratio", "runtime", "total", "before", "ratio")


def row(name: str, now: Figure, before: Figure | None) -> tuple[str, ...]:
    """A row below HEADINGS; what we have written, and all, are compared."""

    def compared(value: float, old: float | None) -> tuple[str, str]:
        return ("-", "-") if old is None else (f"{round(old)}", f"{ratio(value, old):.3f}")

    return (
        name,
        f"{round(now.extension)}",
        f"{round(now.engine)}",
        *compared(now.ours, before and before.ours),
        f"{round(now.runtime)}",
        f"{round(now.total)}",
        *compared(now.total, before and before.total),
    )


def aligned(cells: Sequence[str]) -> str:
    """A line of the table."""
    return f"{cells[0]:17}" + "".join(f"{cell:>11}" for cell in cells[1:])


def rises(now: dict[str, Figure], before: dict[str, Figure]) -> Iterator[str]:
    """The operations that have risen."""
    return (name for name, one in now.items() if name in before and risen(one, before[name]))
