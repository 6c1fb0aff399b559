"""Lines as a table: plain text, Markdown, or Rich on a terminal."""

from __future__ import annotations

import sys

from harness.number import number
from harness.summary import Line, Spread

FAILED = ""  # the reason stands below the table


def cell(known: Spread | None) -> str:
    """A median with its extremes: ``87.5k -3+5%``; without them when there was one round. Of two modes both, with how often:
    ``101k ×3, 184k ×4``."""
    if known is None:
        return FAILED
    if modes := known.modes:
        return f"{number(modes.low)} ×{modes.lows}, {number(modes.high)} ×{modes.highs}"
    if not known.low and not known.high:
        return number(known.median)
    return f"{number(known.median)} -{abs(known.low):.0f}+{known.high:.0f}%"


def against(line: Line) -> list[str]:
    """The ratio, in brackets where another line of the row decides; its least and greatest round, the loop it is against."""
    ratio = line.ratio
    if ratio is None:
        return ["–", "", ""]
    rounds = "" if ratio.least == ratio.greatest else f"{number(ratio.least)}–{number(ratio.greatest)}"
    middle = number(ratio.median)
    return [middle if line.decides else f"({middle})", rounds, ratio.other]


def cells(lines: list[Line], loops: list[str], subject: str) -> list[list[str]]:
    """Head and body."""
    head = ["row", "unit", *loops, f"{subject} ×", "rounds", "against"]
    body = [
        [line.name, line.unit, *(cell(line.loops.get(name)) for name in loops), *against(line)]
        for line in lines
    ]
    return [head, *body]


def plain(rows: list[list[str]]) -> str:
    """Columns in step, for pipes and logs."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        padded = [
            text.ljust(w) if i < 2 else text.rjust(w)
            for i, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def markdown(rows: list[list[str]]) -> str:
    """A pipe table."""
    rule = ["---" if i < 2 else "---:" for i in range(len(rows[0]))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])


def show(title: str, rows: list[list[str]]) -> None:
    """To standard output: Rich when that is a terminal and Rich is installed."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:
            pass
        else:
            table = Table(title=title, title_justify="left")
            for i, head in enumerate(rows[0]):
                table.add_column(head, justify="left" if i < 2 else "right", no_wrap=i < 1)
            for row in rows[1:]:
                table.add_row(*row)
            Console().print(table)
            return
    print(f"\n{title}\n\n{plain(rows)}")
