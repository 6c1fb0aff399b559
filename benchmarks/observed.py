"""What it costs to be seen: ``python benchmarks/observed.py --without PYTHON``, or ``make bench-observed``.

    without    goloop as GOLOOP_METRICS=0 builds it: it counts nothing
    shipped    goloop as it is
    watched    the same with the watchdog on, and its endpoint scraped each second

The three take turns in each round, each round in another order, and a cost is the median of the rounds' ratios against ``without``, with
the interval in which 95 of 100 such medians would lie (``harness/interval.py``). At the end, of all rows: whether it is within what is promised.
With several builds of each, whose code lies otherwise in memory, every pair has its part of the rounds: ``make bench-observed-layouts``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator

import rows
from harness import interval, machine, process, schedule, scraping, table
from harness.bench import Bench, Options, cores
from harness.loadgen import Generator, build
from harness.loops import Loop
from harness.number import number
from harness.sample import Sample
from harness.schedule import Measured
from rows.row import Row
from run import progress

ROWS = (
    *("call-soon-chained", "threadsafe-flood", "timers-timeouts", "create-task"),
    *(
        "tcp-protocol-1KiB-1c",
        "tcp-protocol-1KiB-10c",
        "tcp-streams-1KiB-10c",
        "udp-1KiB-10p",
        "tls-protocol-1KiB-10c",
    ),
    "aiohttp-hello-100c",
)
SPEC = "goloop:new_event_loop"
BASE = "without"
PROMISED = {"shipped": 0.01, "watched": 0.02}

# How many turns and callbacks a loop has counted, in a process of its own.
PROBE = """
import asyncio, json, goloop
loop = goloop.new_event_loop()
loop.run_until_complete(asyncio.sleep(0.01))
metrics = loop.metrics()
loop.close()
print(json.dumps(metrics.turns + metrics.callbacks + metrics.timers_added))
"""


def counts(loop: Loop) -> bool:
    """Whether it counts what it does."""
    done = subprocess.run([loop.python, "-c", PROBE], cwd=process.HOME, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{loop.name}: {process.last_line(done.stderr)}")
    return json.loads(done.stdout) > 0


def costs(measured: Measured, name: str, pick: Callable[[Sample], float | None], less: bool) -> list[float]:
    """By which part it is slower than BASE, in each round."""
    result = []
    for ours, base in zip(measured.samples[name], measured.samples[BASE], strict=False):
        mine, other = pick(ours), pick(base)
        if mine and other:
            result.append((mine / other if less else other / mine) - 1)
    return result


def measure(row: Row, pairs: list[tuple[str, str]], rounds: int, bench: Bench) -> Measured:
    """The row's rounds, as many of each pair of builds: of what counts nothing, and of what is shipped."""
    parts = [schedule.measure(row, loops(*pair), rounds // len(pairs), bench, progress) for pair in pairs]
    return Measured(
        row, {name: [each for part in parts for each in part.samples[name]] for name in parts[0].samples}
    )


def loops(without: str, shipped: str) -> list[Loop]:
    return [
        Loop(BASE, SPEC, without),
        Loop("shipped", SPEC, shipped),
        Loop("watched", SPEC, shipped, observed=True),
    ]


def percent(found: list[float]) -> str:
    """The median, and its interval."""
    if not found:
        return ""
    low, high = interval.of_median(found)
    return f"{statistics.median(found):+.1%} ({low:+.1%} {high:+.1%})"


def lines(measured: Measured, names: list[str]) -> Iterator[tuple[list[str], dict[str, list[float]]]]:
    """The row's line, and that of its processor time: cells, and the costs of each round."""
    row = measured.row
    picks: list[tuple[str, Callable[[Sample], float | None], bool]] = [
        (row.unit, lambda sample: sample.value, row.less_is_better),
        (f"processor µs/{row.operation}", lambda sample: sample.cpu, True),
    ]
    for unit, pick, less in picks:
        known = {name: [pick(sample) or 0.0 for sample in measured.samples[name]] for name in names}
        cost = {name: costs(measured, name, pick, less) for name in names if name != BASE}
        cells = [row.name, unit, *(number(statistics.median(known[name])) for name in names)]
        yield [*cells, *map(percent, cost.values())], {name: found for name, found in cost.items() if found}


def verdict(low: float, high: float, limit: float) -> str:
    """What an interval says of a limit."""
    if high <= limit:
        return f"within {limit:.0%}"
    return f"more than {limit:.0%}" if low > limit else f"{limit:.0%} is not told from noise: more rounds"


def show(results: list[Measured], names: list[str]) -> None:
    """The table, and the means over its rows."""
    head = ["row", "unit", *names, *(f"{name} costs" for name in names if name != BASE)]
    body: list[list[str]] = []
    kinds: dict[tuple[str, bool], list[list[float]]] = {}
    for measured in results:
        for at, (cells, cost) in enumerate(lines(measured, names)):
            body.append(cells)
            for name, found in cost.items():
                kinds.setdefault((name, bool(at)), []).append(found)
    print(table.plain([head, *body]))
    for (name, processor), of_rows in kinds.items():
        middle = interval.mean_of_medians(of_rows)
        low, high = interval.of_mean_of_medians(of_rows)
        what = "of processor time" if processor else "of what the rows measure"
        most = max(map(statistics.median, of_rows))
        print(
            f"{name}: {middle:+.2%} ({low:+.2%} {high:+.2%}) {what}, the mean of {len(of_rows)} rows; the most {most:+.1%}: "
            + verdict(low, high, PROMISED[name])
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--without", required=True, nargs="+", metavar="PYTHON", help="with the goloop that counts nothing"
    )
    parser.add_argument(
        "--shipped", default=[sys.executable], nargs="+", metavar="PYTHON", help="with the other; as many"
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0, help="one measured window")
    parser.add_argument("--rows", default=",".join(ROWS), metavar="NAME,…")
    parser.add_argument(
        "--realtime", action="store_true", help="all of it before what else the machine has to do; as root"
    )
    return parser.parse_args()


def main() -> int:
    options = parse()
    if options.seconds < scraping.PERIOD:
        print("a window is shorter than a second: most have no scrape in them", file=sys.stderr)
    chosen: list[Row] = [rows.named(name) for name in options.rows.split(",")]
    pairs = list(zip(options.without, options.shipped, strict=True))
    for loop in (loop for pair in pairs for loop in loops(*pair)):
        if counts(loop) == (loop.name == BASE):
            sys.exit(f"{loop.name}: {loop.python} has a goloop that counts{' nothing' * (loop.name != BASE)}")
    names = [loop.name for loop in loops(*pairs[0])]
    server_cpu, load_cpu = cores(True)
    limits = Options(options.seconds, 0.2, 1, server_cpu, load_cpu)
    seconds = sum(row.expected(limits) for row in chosen) * options.rounds * len(names)
    print(f"{len(chosen)} rows, {options.rounds} rounds: about {seconds / 60:.0f} minutes", file=sys.stderr)
    where = machine.describe()
    if where["load_average"][0] > 0.5:
        print(
            f"this machine is busy (load {where['load_average'][0]:.1f}): figures mean little",
            file=sys.stderr,
        )
    results = []
    if options.realtime:
        process.realtime()
    with Bench(limits, Generator(build(), load_cpu)) as bench:
        for row in chosen:
            results.append(measure(row, pairs, options.rounds, bench))
    failed = [
        each for each in results if any(sample.error for name in names for sample in each.samples[name])
    ]
    print(
        f"CPython {where['python'].split()[0]}, tree {where['commit']}; {where['processor']}, {where['cores']} cores"
    )
    show([each for each in results if each not in failed], names)
    for each in failed:
        for name in names:
            for sample in each.samples[name]:
                if sample.error:
                    print(f"! {each.row.name}, {name}: {sample.error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
