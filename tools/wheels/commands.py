"""Programs that are run: what they print, or one sentence about why they did not do it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class Refusal(Exception):
    """Says in one sentence why something cannot be built."""


def output(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What command prints; env is added to this process's environment."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise Refusal(f"'{words[0]}' is not on PATH") from None
    if done.returncode:
        raise Refusal(f"'{' '.join(words)}' fails:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout.strip()
