"""The watchdog: a report of each callback that holds a loop, while it holds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from . import engine

settings: tuple[float, Any] | None = None  # of watch(), also a parent's
_Listener = Callable[[dict[str, Any]], object]
listeners: list[_Listener] = []  # are told as well, first


def watch(
    threshold: float = 0.25, to: str | os.PathLike[str] | Callable[[dict[str, Any]], object] | None = None
) -> None:
    """Report what holds any loop of this process for longer than ``threshold``, while it does and when it ends.

    A report is a line: a sentence, and the same as JSON, with the loop, its thread, how long so far, the task, the Python stack, and
    whether Python code runs, a C call keeps the GIL, or the GIL is awaited. A debugger and a stopped process cause none. At most
    five come in a row, then one a second.

    Args:
        threshold: seconds.
        to: ``None`` for warnings of the logger ``goloop``; a path to append to; or what is called with the report's dict, from a
            thread of its own. What cannot be told there at once, for the GIL is held, goes to standard error.

    Raises:
        ValueError: ``threshold`` is not above zero.
        OSError: the path cannot be written to, or the system refuses a thread or a pipe.
        RuntimeError: in a sub-interpreter: the main interpreter's watchdog watches its loops too.
        ImportError: goloop was built without its control plane.
    """
    global settings
    if not threshold > 0:
        raise ValueError(f"a threshold is above zero, got {threshold!r}")
    from . import answering  # what most programs do without is imported when it is asked for

    answering.start()
    if to is None or callable(to):
        sink, path = to, "python"
    else:
        sink, path = _nobody, os.fspath(os.path.abspath(to))
    answering.report = lambda text: _tell(text, sink)
    rc = engine.control_module().control_Watch(float(threshold), path)
    if rc < 0:
        raise OSError(-rc, os.strerror(-rc), None if path == "python" else path)
    settings = threshold, to


def unwatch() -> None:
    """End :func:`watch`."""
    global settings
    if settings is not None:
        settings = None
        engine.control_module().control_Unwatch()


def _nobody(report: dict[str, Any]) -> None:
    """The sink of what the engine writes to a path."""


def _tell(text: str, to: _Listener | None) -> None:
    import json
    import logging

    for listener in listeners:
        listener(json.loads(text[text.index("{") :]))
    if to is None:
        logging.getLogger("goloop").warning("%s", text)
    else:
        to(json.loads(text[text.index("{") :]))
