"""Child processes: where they run, what their end means."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent  # benchmarks/: the children's directory, from which they import


def cache() -> Path:
    """Where binaries are kept from run to run."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "goloop-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Ours and ``more``, with a PYTHONPATH that also holds in ``HOME``."""
    env = os.environ | (more or {})
    if path := env.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in path.split(os.pathsep))
    return env


@contextlib.contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Processes started inside inherit the affinity to ``cpu``, from their first thread on; None pins nothing."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def realtime() -> None:
    """From now on this process and its children run before all that is not realtime. Ends the program if that is not allowed."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError as error:
        sys.exit(f"--realtime: {error}")


def start(command: list[str], cpu: int | None, **options: Any) -> subprocess.Popen[str]:
    """``Popen`` in ``HOME``, pinned to ``cpu``."""
    with pinned(cpu):
        return subprocess.Popen(command, cwd=HOME, text=True, **options)


def stop(child: subprocess.Popen[str]) -> None:
    """End a child that has no end of its own: SIGTERM, after 3 s SIGKILL; waits."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


def last_line(text: str) -> str:
    """The last line that says something: for a traceback, the exception."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def ending(code: int) -> str:
    """An exit code or the signal in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
