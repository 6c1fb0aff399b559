"""A program under valgrind's callgrind, and what its dumps say.

Callgrind writes a dump each time a thread calls ``ctermid`` (``mark``): what that thread has executed since its last
one. Threads that never call it, those of Go's runtime, are in no dump but the last, which is not read.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

BORDER = "ctermid"  # of libc: touches nothing, and nobody else calls it

# All that the program finds in its environment, besides where programs and libraries are.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "GODEBUG": "cpu.rdtscp=off",  # or Go's runtime faults: callgrind knows no RDTSCP
    "GOMAXPROCS": "2",  # whatever the machine has
    "GOLOOP_IO_URING": "0",  # valgrind knows little of it
}


Counts = Counter[tuple[str, str]]  # instructions by the object's path and the function's name


class Failed(Exception):
    """The program could not be counted; the text says why."""


def mark() -> None:
    """End this thread's dump, and begin the next."""
    os.ctermid()


def count(command: list[str], folder: Path, spans: int) -> list[Counts]:
    """Run the command in a folder: the instructions in so many spans, each up to one of the last marks.

    Of several threads that mark, the spans are added. ``Failed`` when the command fails or marks too seldom.
    """
    with tempfile.TemporaryDirectory(prefix="goloop-guard-") as dumps:
        valgrind = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--dump-line=no"]
        valgrind += [f"--dump-before={BORDER}", f"--callgrind-out-file={dumps}/dump"]
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        done = subprocess.run(
            [*valgrind, *command], cwd=folder, env={**kept, **ENVIRONMENT}, capture_output=True, text=True
        )
        if done.returncode:
            raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        threads: dict[str, dict[int, Counts]] = defaultdict(dict)
        for path in Path(dumps).iterdir():
            if found := re.fullmatch(r"dump\.(\d+)-(\d+)", path.name):
                with path.open() as lines:
                    threads[found[2]][int(found[1])] = by_function(lines)
    if not threads or min(map(len, threads.values())) <= spans:  # the first is from the start of the thread
        raise Failed(f"{' '.join(command)}: too few marks")
    last = [[parts[part] for part in sorted(parts)][-spans:] for parts in threads.values()]
    return [sum(parts, Counter()) for parts in zip(*last)]


def by_function(lines: Iterable[str]) -> Counts:
    """The instructions of one dump in callgrind's format; those of a callee are the callee's."""
    total: Counts = Counter()
    names: dict[tuple[str, str], str] = {}  # "(25)" stands for a name that has been told once
    current = {"ob": "", "fn": ""}
    called = False
    for line in lines:
        if found := re.match(r"(c?)(ob|fn)=(\(\d+\))(?: (.+))?", line):
            callee, kind, number, name = found.groups()
            if name:
                names[kind, number] = name
            if not callee:
                current[kind] = names[kind, number]
        elif line.startswith("calls="):
            called = True  # the next line is what the call cost
        elif line[0].isdigit() or line[0] in "+-*":
            if not called:
                total[current["ob"], current["fn"]] += int(line.split()[1])
            called = False
    return total
