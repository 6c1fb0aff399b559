"""The engine's library: loaded with the first loop of a process, and never with the package.

A forked child loads a copy: the runtime that it has inherited has lost its threads, and would hang.
"""

from __future__ import annotations

import os
from typing import Any

from . import _core
from .capacity import processors

PATH = os.path.join(os.path.dirname(os.path.abspath(_core.__file__)), "_engine.so")
_LONGEST = 4000  # of a path, with some to spare


def is_loaded() -> bool:
    return _core.engine_lacking() is None


def ensure() -> None:
    """Load it, unless this process has it.

    Raises:
        RuntimeError: it cannot be loaded, or has no room to start.
    """
    lacking = _core.engine_lacking()
    if lacking is not None:
        _load(*lacking)


def control_module() -> Any:
    """The functions of the engine's control plane; goloop.control is for users.

    Raises:
        ImportError: the engine was built without it.
    """
    ensure()
    return _core.control_module()


def _load(generation: int, again: bool) -> None:
    """generation: 1, and one more with each fork; again: a parent has it already."""
    procs = processors()
    if not again:
        _core.load_engine(PATH, procs)
        return
    try:
        fd, name = _copy(generation)
    except OSError as exc:
        raise RuntimeError(
            "goloop: a forked child needs a copy of the engine, and neither memory nor the temporary folder"
            f" takes one: {exc.strerror}"
        ) from None
    try:
        _core.load_engine(name, procs)
    finally:
        _drop(fd, name)


def _copy(generation: int) -> tuple[int, str]:
    """A copy under a name that the loader has not seen: in memory, or in a temporary file."""
    fd, name = _memory(generation)
    if fd < 0:
        import tempfile

        fd, name = tempfile.mkstemp(prefix="goloop-engine-", dir=os.environ.get("TMPDIR") or "/tmp")
    try:
        with open(PATH, "rb", buffering=0) as source, open(fd, "wb", closefd=False) as copy:
            while piece := source.read(1 << 16):
                copy.write(piece)
    except BaseException:
        _drop(fd, name)
        raise
    return fd, name


def _memory(generation: int) -> tuple[int, str]:
    """An empty file in memory, and its path; -1 where there is none.

    The loader takes a name that it has seen for the library of then, and a parent may have had the same
    number: each generation spells it with as many "./".
    """
    head = "/proc/self/fd/" + "./" * (generation - 1)
    try:
        fd = _core.memory_file() if len(head) < _LONGEST else -1
    except OSError:
        fd = -1
    return fd, f"{head}{fd}"


def _drop(fd: int, name: str) -> None:
    if not name.startswith("/proc/"):
        os.unlink(name)
    os.close(fd)
