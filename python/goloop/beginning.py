"""What a loop begins with: ``BaseEventLoop.__init__``.

It leaves the same each time, and takes a sixth of a loop's making. So it is called for the first loop, and those after it
take over what cannot change, and get what can anew.
"""

from __future__ import annotations

import sys
import time
import weakref
from asyncio import base_events, coroutines
from typing import Any

from . import standard

_init = base_events.BaseEventLoop.__init__
_set_debug = base_events.BaseEventLoop.set_debug
_is_debug_mode: Any = coroutines._is_debug_mode  # type: ignore[attr-defined]
_get_clock_info = time.get_clock_info
_are_own = standard.are_own((_init, _set_debug)) and standard.are_own(
    (_is_debug_mode,), coroutines.iscoroutine
)

_NEW: dict[str, type] = {"_scheduled": list, "_asyncgens": weakref.WeakSet}
_same: dict[str, Any] | None = None  # attributes of the first loop, but for those of _NEW
_learnt = False


def _learn(loop: Any) -> None:
    """Of a loop that has just begun."""
    global _learnt, _same
    _learnt = True
    left = dict(loop.__dict__)
    new = {name: type(left.pop(name, None)) for name in _NEW}
    if new == _NEW and all(value is None or type(value) in (bool, int, float) for value in left.values()):
        _same = left


def begin(loop: Any, *, plain: bool) -> None:
    """Give a new loop what asyncio's have. plain: its class is ours, and the environment does not ask for debug mode."""
    base: Any = base_events.BaseEventLoop
    plain = (
        plain
        and _are_own
        and base.__init__ is _init
        and type(loop).set_debug is _set_debug
        and coroutines._is_debug_mode is _is_debug_mode  # type: ignore[attr-defined]
        and time.get_clock_info is _get_clock_info
        and not sys.flags.dev_mode
    )
    if plain and _same is not None:
        loop.__dict__.update(_same)
        loop._scheduled = []
        loop._asyncgens = weakref.WeakSet()
        return
    base.__init__(loop)
    if plain and not _learnt:
        _learn(loop)
