"""The control plane: what can be known of this process's loops from any thread, also while one is stuck.

Nothing here is needed to run a loop. What it tells comes from the engine, which gopy binds: one that was built without is an ImportError.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import _core, metrics

if TYPE_CHECKING:
    from .loop import Loop

__all__ = ["loops", "metrics_of", "stalls"]


def loops() -> list[metrics.Metrics]:
    """All open loops of this process, whichever thread or interpreter has them, the oldest first. Any thread may ask."""
    return [metrics.of(found) for found in json.loads(_core.control_module().control_Loops())]


def metrics_of(loop: Loop) -> metrics.Metrics:
    """What is measured of a loop. Any thread may ask.

    Raises:
        RuntimeError: the loop is closed, or was made by a parent process.
    """
    if not loop._is_inherited():
        text = _core.control_module().control_Metrics(loop._engine_id)
        if text:
            return metrics.of(json.loads(text))
    raise RuntimeError("Event loop is closed")


def stalls() -> list[dict[str, Any]]:
    """The last hundred stalls that :func:`goloop.watch` has told, those that last first, then the newest."""
    found: list[dict[str, Any]] = json.loads(_core.control_module().control_Stalls())
    return found
