"""A picture of the ratios: one pair of bars a row."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from harness.number import number
from harness.summary import Line, Ratio

THROUGHPUT, PROCESSOR = "#0072b2", "#e69f00"  # Okabe and Ito: apart for colour-blind readers
FLOOR = 1 / 8  # a bar that goes further left ends at the edge: its label tells


def draw(path: Path, subject: str, note: str, values: list[Line], cpu: list[Line]) -> None:
    """Write a PNG. Right of the line at 1 ``subject`` beats the best other loop; a thin line spans its rounds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    by_group = {line.group: line.ratio for line in cpu if line.decides}
    figure, axes = plt.subplots(figsize=(10, 1.6 + 0.38 * len(values)), layout="constrained")
    shown: list[float] = [1.0]
    for place, line in enumerate(values):
        pair: list[tuple[float, str, Ratio | None]] = [(-0.19, THROUGHPUT, line.ratio)]
        if line.group in by_group:
            pair.append((0.19, PROCESSOR, by_group[line.group]))
        for shift, colour, ratio in pair:
            if ratio is None:
                why = "failed" if line.loops.get(subject) is None else "no ratio"
                axes.text(1.01, place + shift, why, va="center", fontsize=7, color="#b00020")
                continue
            shown += [ratio.least, ratio.greatest]
            left = min(1.0, ratio.median)
            axes.barh(place + shift, abs(ratio.median - 1), 0.36, left=left, color=colour)
            axes.plot([ratio.least, ratio.greatest], [place + shift] * 2, color="black", linewidth=0.8)
            label = f"{number(ratio.median)} {ratio.other}"
            axes.text(max(1.0, ratio.greatest) * 1.02, place + shift, label, va="center", fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xlim(max(FLOOR, min(shown) / 1.1), max(2.0, max(shown)) * 1.6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_yticks(range(len(values)), [line.name for line in values], fontsize=8)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(
        f"{subject} against the best other loop: right of 1× {subject} is better", fontsize=11, loc="left"
    )
    axes.set_xlabel(fill(note, 170), fontsize=7, loc="left")
    handles = [Patch(color=colour) for colour in (THROUGHPUT, PROCESSOR)]
    figure.legend(
        handles,
        ["throughput (or the row's own unit)", "processor time per operation"],
        fontsize=8,
        loc="outside lower right",
        ncols=2,
    )
    figure.savefig(path, dpi=130)
    plt.close(figure)
