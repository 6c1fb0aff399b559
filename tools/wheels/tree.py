"""The sources: a copy of what git knows, so that nothing else of this machine can come into a wheel."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from . import commands
from .commands import Refusal

BUILT_FROM = (
    *("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "licenses", "go.mod", "go.sum"),
    *("control", "internal", "loop", "pybind", "python", "selector", "unixevents", "tools"),
)


@dataclass(frozen=True)
class Tree:
    """epoch: the commit's time, in seconds; commit: its name, with "-dirty" where files differ from it."""

    root: Path
    epoch: int
    commit: str


def copy(source: Path, place: Path) -> Tree:
    """Copy what git tracks of source, as it lies there, to place."""
    if not (source / ".git").exists():
        raise Refusal("wheels are built from a git checkout: the commit's time is theirs")
    tracked = commands.output("git", "ls-files", "-z", "--", *BUILT_FROM, cwd=source).split("\0")
    shutil.rmtree(place, ignore_errors=True)
    for name in filter(None, tracked):
        if not (source / name).is_file():
            continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, place / name)
    epoch = int(commands.output("git", "log", "-1", "--format=%ct", cwd=source))
    commit = commands.output("git", "describe", "--always", "--dirty", "--exclude=*", cwd=source)
    return Tree(place, epoch, commit)
