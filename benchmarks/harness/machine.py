"""Where the figures were measured."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("aiohttp", "uvicorn", "httptools", "websockets", "asyncpg", "redis")


def describe() -> dict[str, Any]:
    """Processor, kernel, C library, Python, Go, the packages under test, the load at this moment."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": sys.version,
        "python_flags": sys.flags.optimize,
        "go": output("go", "version"),
        "commit": output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
        "packages": versions,
        "load_average": os.getloadavg(),
    }


def processor() -> str:
    """The model, as /proc/cpuinfo has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def output(*command: str) -> str | None:
    """What a command prints, None when it cannot."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
