"""Instructions per operation, compared with the recorded ones; fails when one has risen by more than 3 %.

Each operation is counted in a process of its own. Neither the kernel's instructions are counted nor those of Go's own
threads. Recorded figures are those of one Python and one set of tools: what differs is told.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from guard import callgrind, figures
from guard.operations import OPERATIONS, SPANS

RECORDED = Path(__file__).parent / "recorded"
BENCHMARKS = Path(__file__).parent.parent
PLACE = BENCHMARKS.parent / "build" / "guard" / "python"


def versions() -> str:
    """What the figures depend on, besides the tree."""

    def first(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]

    return ", ".join(
        [
            f"CPython {platform.python_version()} ({platform.python_compiler()})",
            f"{first('go', 'env', 'GOVERSION')} {platform.machine()}",
            f"gcc {first('gcc', '-dumpfullversion')}",
            f"{' '.join(platform.libc_ver())}",
            f"{' '.join(ssl.OPENSSL_VERSION.split()[:2])}",
            first("valgrind", "--version"),
        ]
    )


def at_one_place(python: str) -> str:
    """The same Python by a path that is the same for all: of two that are compared, where a name or a type lies in memory
    follows from the paths that the process has read, and CPython's cache of types misses more often in one than in the other."""
    environment = Path(python).absolute().parent.parent
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.unlink(missing_ok=True)
    PLACE.symlink_to(environment)
    return str(PLACE / Path(python).absolute().relative_to(environment))


def count(python: str, name: str) -> figures.Figure:
    """One operation's instructions on the goloop of that Python; ends the run when it cannot be counted."""
    command = [python, "-s", "-m", "guard.operations", name]
    try:
        return figures.figure(callgrind.count(command, BENCHMARKS, SPANS), OPERATIONS[name][1])
    except callgrind.Failed as failed:
        sys.exit(f"{name}: {failed}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench-guard", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the figures instead of comparing them")
    parser.add_argument("--only", default="", metavar="NAMES", help="operations that begin so: echo,timers")
    parser.add_argument(
        "--against",
        metavar="PYTHON",
        help="compare with the goloop of this one, not with the recorded figures",
    )
    parser.add_argument("--python", default=sys.executable, help="the Python of another venv of that version")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("make bench-guard needs valgrind, which is not on PATH (Debian: apt-get install valgrind)")
    names = [name for name in OPERATIONS if name.startswith(tuple(options.only.split(",")))]
    if not names:
        sys.exit(f"no operation begins with {options.only!r}: {', '.join(OPERATIONS)}")

    version = "{}.{}".format(*sys.version_info)
    path = RECORDED / f"{version}.tsv"
    here = versions()
    about, before = figures.read(path) if path.exists() and not options.against else ([], {})
    if about and about[-1] != here:
        print(f"recorded with {about[-1]}\nhere          {here}")

    now = {}
    print(figures.aligned(figures.HEADINGS))
    for name in names:
        if options.against:
            before[name] = count(at_one_place(options.against), name)
        now[name] = count(at_one_place(options.python) if options.against else options.python, name)
        print(figures.aligned(figures.row(name, now[name], before.get(name))), flush=True)

    if options.record:
        kept = {name: now.get(name) or before[name] for name in OPERATIONS if name in now or name in before}
        figures.write(path, [f"make bench-guard PY={version} ARGS=--record", here], kept)
        print(f"written: {path}")
        return 0
    if missing := [name for name in names if name not in before]:
        print(f"not recorded in {path}: {', '.join(missing)}; ARGS=--record does")
    risen = list(figures.rises(now, before))
    if risen:
        print(f"more than {figures.LIMIT - 1:.0%} above what is recorded: {', '.join(risen)}")
    return 1 if risen or missing else 0


if __name__ == "__main__":
    sys.exit(main())
