"""Compare event loops: ``python benchmarks/run.py``. See README.md beside this file."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import rows
from harness import floor, loops, machine, process, report, schedule
from harness.bench import Bench, Options, cores
from harness.loadgen import Generator, build
from harness.number import number
from harness.sample import Sample
from rows.row import Row

SUBJECT = "goloop"
QUICK_SECONDS = 0.3


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--loops", help=f"comma list of {', '.join(loops.BUILT_IN)}; default: all that can be imported")
    add(
        "--loop",
        action="append",
        default=[],
        metavar="[NAME=]MODULE:FACTORY[@PYTHON]",
        help="another loop, or that of another environment's Python; repeatable",
    )
    add("--subject", help=f"the loop of the ratios; default {SUBJECT}, without it the last one")
    add("--rounds", type=int, help="default 5")
    add("--seconds", type=float, help="one measured window; default 1.5")
    add("--rows", default="", metavar="GLOB,…", help="rows by name; default: the chosen subset")
    add("--full", action="store_true", help="all rows")
    add(
        "--short",
        action="store_true",
        help="a row of each kind: less than an hour for seven loops and seven rounds",
    )
    add(
        "--quick", action="store_true", help=f"1 round of {QUICK_SECONDS} s: does it work, not how fast it is"
    )
    add("--pin", action=argparse.BooleanOptionalAction, default=True, help="one core each; default on")
    add(
        "--floor",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a column of a C server without a loop, in the echo rows; default on",
    )
    add(
        "--realtime",
        action="store_true",
        help="all of it before what else the machine has to do; as root",
    )
    add("--commit", help="what is measured, where git cannot tell")
    add("--estimate", action="store_true", help="say how long the run would take, and end")
    add("--json", type=Path, metavar="FILE", help="keep every sample")
    add("--from-json", type=Path, metavar="FILE", help="measure nothing, show a kept run")
    add("--chart", type=Path, metavar="FILE.png", help="draw the ratios")
    add("--markdown", action="store_true", help="tables as Markdown")
    add("--list", action="store_true", help="list the rows and end")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else 1.5)
    try:
        patterns = [name for name in options.rows.split(",") if name]
        options.chosen = rows.chosen(patterns or (rows.SHORT if options.short else []), options.full)
        options.extra = [loops.parse(text) for text in options.loop]
    except ValueError as error:
        parser.error(str(error))
    unknown = [name for name in (options.loops or "").split(",") if name and name not in loops.BUILT_IN]
    if unknown:
        parser.error(
            f"--loops knows {', '.join(loops.BUILT_IN)}; give {unknown[0]!r} as --loop MODULE:FACTORY"
        )
    return options


def entrants(options: argparse.Namespace) -> tuple[list[loops.Loop], list[dict[str, Any]]]:
    """Those that take part, and all with their versions; one that was asked for by name and cannot be made ends the run."""
    names = (
        [name for name in options.loops.split(",") if name]
        if options.loops is not None
        else list(loops.BUILT_IN)
    )
    wanted = [loops.Loop(name, loops.BUILT_IN[name]) for name in names] + options.extra
    if len({loop.name for loop in wanted}) < len(wanted):
        sys.exit("two loops of one name: use --loop NAME=MODULE:FACTORY")
    taking_part, found = [], []
    for loop in wanted:
        version, reason = loops.probe(loop)
        if version is None:
            if options.loops is not None or loop in options.extra:
                sys.exit(f"{loop.name} ({loop.spec}): {reason}")
            print(f"{loop.name} takes no part: {reason}", file=sys.stderr)
        else:
            taking_part.append(loop)
        found.append({"name": loop.name, "spec": loop.spec, "version": version, "reason": reason})
    return taking_part, found


def choose_subject(wanted: str | None, names: list[str]) -> str:
    if wanted and wanted not in names:
        sys.exit(f"--subject {wanted} takes no part")
    return wanted or (SUBJECT if SUBJECT in names else names[-1])


def progress(row: Row, place: int, loop: loops.Loop, sample: Sample) -> None:
    """One line a sample, to standard error."""
    said = f"FAILED: {sample.error}" if sample.error else f"{number(sample.value)} {row.unit}"
    if sample.cpu is not None and not sample.error:
        said += f", {number(sample.cpu)} µs of processor"
    print(f"  {row.name} round {place + 1} {loop.name}: {said}", file=sys.stderr, flush=True)


def bottom(options: argparse.Namespace) -> loops.Loop | None:
    """The C server, where one is wanted and can be compiled."""
    if not options.floor:
        return None
    try:
        return floor.loop(floor.build())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no column {floor.NAME}: {error}", file=sys.stderr)
        return None


def estimate(options: argparse.Namespace, limits: Options, count: int) -> str:
    """How long the run takes when nothing fails."""
    seconds = sum(row.expected(limits) for row in options.chosen) * options.rounds * count
    return f"{len(options.chosen)} rows, {count} loops, {options.rounds} rounds: about {seconds / 60:.0f} minutes"


def run(options: argparse.Namespace) -> report.Report:
    """Measure."""
    taking_part, found = entrants(options)
    if not taking_part:
        sys.exit("no loop takes part")
    subject = choose_subject(options.subject, [loop.name for loop in taking_part])
    try:
        binary = build()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"the load generator cannot be built: {error}")
    where = machine.describe()
    where["commit"] = options.commit or where["commit"]
    if where["load_average"][0] > 0.5:
        print(
            f"this machine is busy (load {where['load_average'][0]:.1f}): figures mean little",
            file=sys.stderr,
        )
    server_cpu, load_cpu = cores(options.pin)
    lead, starts = (0.1, 1) if options.quick else (0.2, 5)
    limits = Options(options.seconds, lead, starts, server_cpu, load_cpu)
    bench = Bench(limits, Generator(binary, load_cpu), bottom(options))
    print(estimate(options, limits, len(taking_part)), file=sys.stderr)
    if options.estimate:
        sys.exit()
    kept = {"rounds": options.rounds, "seconds": options.seconds, "lead": lead, "starts": starts}
    kept |= {
        "realtime": options.realtime,
        "server_cpu": server_cpu,
        "load_cpu": load_cpu,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    result = report.Report(where, kept, found, subject, [])
    if options.realtime:
        process.realtime()
    try:
        with bench:
            for row in options.chosen:
                result.results.append(schedule.measure(row, taking_part, options.rounds, bench, progress))
    except KeyboardInterrupt:
        kept["not_measured"] = [row.name for row in options.chosen[len(result.results) :]]
    kept["load_average_after"] = machine.describe()["load_average"]
    return result


def main() -> int:
    options = parse()
    if options.list:
        cells = [["row", "unit", "what"]]
        cells += [[row.name, row.unit, row.what + ("" if row.default else " (--full)")] for row in rows.ALL]
        width = [max(len(line[i]) for line in cells) for i in range(2)]
        print("\n".join(f"{name:{width[0]}}  {unit:{width[1]}}  {what}" for name, unit, what in cells))
        return 0
    result = report.load(options.from_json) if options.from_json else run(options)
    if options.subject and options.from_json:
        result.subject = choose_subject(options.subject, result.names())
    if options.json:
        result.save(options.json)
    if options.chart:
        result.draw(options.chart)
    result.show(options.markdown)
    return 1 if result.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
