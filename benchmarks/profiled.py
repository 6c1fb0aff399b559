"""Where the processor time of a row goes: ``python benchmarks/profiled.py --row redis-get``, or ``make bench-profile ROW=redis-get``.

Each loop serves the row in a run of its own, one after the other, in every round; ``perf`` samples the process under test for some
seconds of it, and its shares are given as µs an operation: of the kernel, of Python, of the loop's own libraries, of all others,
then of the functions of the kernel that take most, with what they call.

It runs on the host, also where the loops are in the chroot of ``make bench-field``, and needs root, ``perf`` (Debian:
linux-perf) and, for names in the kernel, ``sysctl kernel.kptr_restrict=0``. The sampling takes a little time itself: a row's figure is that of
``make bench-field``, not this one's.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness import table
from harness.number import number

ROOT = Path(__file__).resolve().parent.parent
LOOPS = "goloop,zuvloop,blazio"
SECONDS = 6.0  # of a run
SETTLED = 2.0  # s after which the process under test is in its window
RECORD = 3.0  # s
FREQUENCY = 999  # samples a second
PATIENCE = 180.0  # s until a process is under test: the first run builds
PLACES = {"bench-field": ROOT / ".sid/build", "bench": ROOT / "build"}  # where the targets' build/ is
PARTS = ("kernel", "Python", "loop", "others")
INCLUSIVE = re.compile(r"\s+([\d.]+)%\s+[\d.]+%\s+\[k\] (\S+)")
EXCLUSIVE = re.compile(r"\s+([\d.]+)%\s+(\S+)")
UNNAMED = re.compile("(0x)?[0-9a-f]+")


def descendants(root: int) -> list[int]:
    """All of its processes, in the order of their numbers."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {root})


def is_under_test(pid: int) -> bool:
    """Whether it is a host of an in-process row, or a server."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False
    modules = [after for word, after in zip(words, words[1:], strict=False) if word == "-m"]
    return any(module == "rows.host" or module.startswith("servers.") for module in modules)


def settled(run: subprocess.Popen[bytes]) -> int:
    """The process under test, once it has been there for a while."""
    seen: dict[int, float] = {}
    end = time.monotonic() + PATIENCE
    while run.poll() is None and time.monotonic() < end:
        now = time.monotonic()
        tested = filter(is_under_test, descendants(run.pid))
        seen = {pid: seen.get(pid, now) for pid in tested}
        old = [pid for pid, since in seen.items() if now - since > SETTLED]
        if old:
            return old[0]
        time.sleep(0.1)
    raise SystemExit("no process of the row could be found; see the log")


def libraries(pid: int, package: str) -> set[str]:
    """The names of the loop's own."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[-1]).name for line in lines if f"/site-packages/{package}" in line}


def shares(data: Path, pattern: re.Pattern[str], *options: str) -> dict[str, float]:
    """What ``perf report`` says, as parts of 1."""
    done = subprocess.run(
        ["perf", "report", "-i", data, "-g", "none", *options], capture_output=True, text=True, check=True
    )
    found = map(pattern.fullmatch, map(str.rstrip, done.stdout.splitlines()))
    return {match[2]: float(match[1]) / 100 for match in found if match}


def part(library: str, own: set[str]) -> str:
    """What a library counts as."""
    if library.startswith(("[k", "[guest")):
        return "kernel"
    if library.startswith(("python", "libpython")):
        return "Python"
    return "loop" if library in own else "others"


def profile(loop: str, options: argparse.Namespace, folder: Path) -> tuple[float, Counter[str], Counter[str]]:
    """µs an operation: in all, by parts, and of the kernel's functions with what they call."""
    data, log = folder / "perf.data", folder / "log"
    arguments = f"--loops {loop} --rows {options.row} --rounds 1 --seconds {SECONDS} --no-floor"
    command = ["make", "-s", options.target, f"ARGS={arguments} --json build/profile.json"]
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out) as run:
        pid = settled(run)
        own = libraries(pid, loop)
        perf = ["perf", "record", "-q", "-F", str(FREQUENCY), "-e", "cpu-clock", "-g", "-p", str(pid)]
        subprocess.run([*perf, "-o", data, "--", "sleep", str(RECORD)], check=True, stderr=subprocess.DEVNULL)
    if run.returncode:
        raise SystemExit(log.read_text())
    [row] = json.loads((PLACES[options.target] / "profile.json").read_text())["rows"]
    [sample] = row["samples"][loop]
    parts: Counter[str] = Counter()
    for library, share in shares(data, EXCLUSIVE, "--no-children", "--sort", "dso").items():
        parts[part(library, own)] += share * sample["cpu"]
    functions: Counter[str] = Counter()
    for name, share in shares(data, INCLUSIVE, "--children", "--sort", "sym").items():
        if not UNNAMED.fullmatch(name):
            functions[name] += share * sample["cpu"]
    return sample["cpu"], parts, functions


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--row", required=True, help="one row, and where it has two load generators one of them: NAME/each"
    )
    parser.add_argument("--loops", default=LOOPS, help=f"default: {LOOPS}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--functions", type=int, default=12, help="how many of the kernel's to list")
    parser.add_argument("--target", choices=PLACES, default="bench-field")
    options = parser.parse_args()
    if not shutil.which("perf"):
        raise SystemExit("this needs perf: apt install linux-perf")
    loops = options.loops.split(",")
    totals: Counter[str] = Counter()
    parts: dict[str, Counter[str]] = {loop: Counter() for loop in loops}
    functions: dict[str, Counter[str]] = {loop: Counter() for loop in loops}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.rounds):
            for loop in loops[turn % len(loops) :] + loops[: turn % len(loops)]:
                total, by_part, by_function = profile(loop, options, Path(folder))
                print(f"  round {turn + 1} {loop}: {number(total)} µs", file=sys.stderr)
                totals[loop] += total / options.rounds
                for into, what in ((parts[loop], by_part), (functions[loop], by_function)):
                    for name, value in what.items():
                        into[name] += value / options.rounds
    rows = [[options.row, "µs", *loops], ["in all", "", *(number(totals[loop]) for loop in loops)]]
    rows += [[name, "", *(number(parts[loop][name]) for loop in loops)] for name in PARTS]
    most: Counter[str] = Counter()
    for loop in loops:
        most |= functions[loop]
    for name, _ in most.most_common(options.functions):
        rows.append([f"  {name}", "", *(number(functions[loop][name]) for loop in loops)])
    print(table.plain(rows))


if __name__ == "__main__":
    main()
