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


class Failed(Exception):
    """The program could not be counted; the text says why."""


def mark() -> None:
    """End this thread's dump, and begin the next."""
    os.ctermid()


def count(command: list[str], folder: Path, spans: int) -> list[Counter[str]]:
    """Run the command in a folder: the instructions in so many spans, each up to one of the last marks, by the path of
    the object that they are in.

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
        threads: dict[str, dict[int, Counter[str]]] = defaultdict(dict)
        for path in Path(dumps).iterdir():
            if found := re.fullmatch(r"dump\.(\d+)-(\d+)", path.name):
                with path.open() as lines:
                    threads[found[2]][int(found[1])] = by_object(lines)
    if not threads or min(map(len, threads.values())) <= spans:  # the first is from the start of the thread
        raise Failed(f"{' '.join(command)}: too few marks")
    last = [[parts[part] for part in sorted(parts)][-spans:] for parts in threads.values()]
    return [sum(parts, Counter()) for parts in zip(*last)]


def by_object(lines: Iterable[str]) -> Counter[str]:
    """The instructions of one dump in callgrind's format, by object; those of a callee are the callee's."""
    total: Counter[str] = Counter()
    names: dict[str, str] = {}  # "(25)" stands for a path that has been named once
    current = ""
    called = False
    for line in lines:
        if found := re.match(r"(c?ob)=(\(\d+\))(?: (.+))?", line):
            kind, number, name = found.groups()
            if name:
                names[number] = name
            if kind == "ob":
                current = names[number]
        elif line.startswith("calls="):
            called = True  # the next line is what the call cost
        elif line[0].isdigit() or line[0] in "+-*":
            if not called:
                total[current] += int(line.split()[1])
            called = False
    return total
