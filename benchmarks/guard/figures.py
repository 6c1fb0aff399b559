"""Instructions per operation: from the counts of lots, in a file, and compared with those of before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

LIMIT = 1.03  # what a figure may be, of what it was


@dataclass(frozen=True)
class Figure:
    """Instructions per operation: in the extension's code, in the engine's with its Go runtime, in all."""

    extension: float
    engine: float
    total: float

    @property
    def ours(self) -> float:
        """What goloop's two objects take."""
        return self.extension + self.engine


def figure(lots: Sequence[Counter[str]], n: int) -> Figure:
    """That of lots of n and of 2n operations in turn, counted by object.

    What else happens in a lot only adds to it, so the least of each kind is taken. Their difference is n operations,
    without what a lot takes to begin and to end.
    """

    def part(name: str) -> float:
        counts = [sum(count for path, count in lot.items() if name in path) for lot in lots]
        return (min(counts[1::2]) - min(counts[::2])) / n

    return Figure(part("/goloop/_core."), part("/goloop/_engine.so"), part(""))


def write(path: Path, about: Sequence[str], figures: dict[str, Figure]) -> None:
    """A file of tab-separated figures, below some lines about them."""
    lines = [f"# {line}" for line in about]
    lines.append("\t".join(["operation", *(field.name for field in fields(Figure))]))
    lines += ["\t".join([name, *(f"{x:.1f}" for x in astuple(one))]) for name, one in figures.items()]
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


HEADINGS = ("operation", "ours before", "extension", "engine", "×", "total before", "now", "×")


def row(name: str, now: Figure, before: Figure | None) -> tuple[str, ...]:
    """A row below HEADINGS."""
    ours = [f"{now.extension:.0f}", f"{now.engine:.0f}"]
    if not before:
        return (name, "-", *ours, "-", "-", f"{now.total:.0f}", "-")
    ratios = [f"{ratio(now.ours, before.ours):.3f}", f"{ratio(now.total, before.total):.3f}"]
    return (
        name,
        f"{before.ours:.0f}",
        *ours,
        ratios[0],
        f"{before.total:.0f}",
        f"{now.total:.0f}",
        ratios[1],
    )


def aligned(cells: Sequence[str]) -> str:
    """A line of the table."""
    return f"{cells[0]:17}" + "".join(f"{cell:>14}" for cell in cells[1:])


def rises(now: dict[str, Figure], before: dict[str, Figure]) -> Iterator[str]:
    """The operations that have risen."""
    return (name for name, one in now.items() if name in before and risen(one, before[name]))
