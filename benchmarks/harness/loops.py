"""The loops that take part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import loopspec
from harness import process

BUILT_IN = {
    "asyncio": "asyncio:new_event_loop",
    "uvloop": "uvloop:new_event_loop",
    "zuvloop": "zuvloop:new_event_loop",
    "rsloop": "rsloop:new_event_loop",
    "rloop": "rloop:new_event_loop",
    "blazio": "blazio:new_event_loop",
    "goloop": "goloop:new_event_loop",
}

# Run in a child: a loop that aborts its process must not take the harness along.
PROBE = """
import importlib.metadata, json, platform, sys
import loopspec
spec = sys.argv[1]
loop = loopspec.factory(spec)()
loopspec.check(loop, spec)
loop.close()
name = loopspec.root(spec)
try:
    version = platform.python_version() if name == "asyncio" else importlib.metadata.version(name)
except importlib.metadata.PackageNotFoundError:
    version = getattr(sys.modules[name], "__version__", "unknown")
print(json.dumps(version))
"""


@dataclass(frozen=True)
class Loop:
    """A loop by its name in the tables and its ``module:factory``."""

    name: str
    spec: str
    python: str = sys.executable  # or of another venv
    observed: bool = False  # its processes are watched, and asked for their metrics each second


def parse(text: str) -> Loop:
    """``[name=]module:factory[@python]``, with the path of another Python to run it; ``ValueError`` for anything else."""
    rest, at, python = text.partition("@")
    name, equals, spec = rest.partition("=")
    if not equals:
        name, spec = "", rest
    if not all(spec.partition(":")) or bool(at) != bool(python):
        raise ValueError(f"{text!r} is not [NAME=]MODULE:FACTORY[@PYTHON]")
    if os.sep in python:
        python = os.path.abspath(python)  # its processes run in another directory
    return Loop(name or loopspec.root(spec), spec, python or sys.executable)


def probe(loop: Loop) -> tuple[str | None, str]:
    """``(version, "")``, or ``(None, reason)`` when the loop cannot be imported, made or closed."""
    command = [loop.python, "-c", PROBE, loop.spec]
    try:
        done = subprocess.run(
            command, cwd=process.HOME, env=process.environment(), capture_output=True, text=True, timeout=30
        )
    except subprocess.TimeoutExpired:
        return None, "no loop was made within 30 s"
    except OSError as exc:  # there is no such Python
        return None, str(exc)
    if done.returncode:
        return None, process.last_line(done.stderr) or process.ending(done.returncode)
    return str(json.loads(done.stdout.splitlines()[-1])), ""
