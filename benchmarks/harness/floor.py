"""The floor: a server in C without a loop, in a column of its own. It is no loop, and none of the others of a ratio."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from harness import process
from harness.loops import Loop

NAME = "C"
SOURCE = process.HOME / "floor" / "echo.c"


def build() -> Path:
    """The binary of the present source; ``OSError`` or ``CalledProcessError`` where it cannot be compiled."""
    cache = process.cache()
    binary = cache / f"floor-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]}"
    if not binary.exists():
        fresh = cache / f"{binary.name}.{os.getpid()}"
        command = [os.environ.get("CC", "cc"), "-O2", "-std=gnu11", "-o", str(fresh), str(SOURCE)]
        subprocess.run(command, check=True)
        fresh.rename(binary)
    return binary


def loop(binary: Path) -> Loop:
    """The floor in the place of a loop."""
    return Loop(NAME, str(binary))
