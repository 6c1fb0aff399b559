"""What ``asyncio.run()`` ends with: ``shutdown_asyncgens()`` and ``shutdown_default_executor()``.

Both are coroutines: a run makes a task of each, and takes two turns. Where there is nothing to shut down they await
nothing. If the loop has nothing else to do either, and nobody has put something of his own into the way of a run, then
nothing tells the run from a call but the numbers in the names of later tasks.
"""

from __future__ import annotations

import asyncio
import operator
from asyncio import events, tasks
from types import CoroutineType
from typing import Any

from . import standard

# What a run calls by its name; some are of newer Pythons.
_NAMES = frozenset(
    name
    for name in (
        *("_check_closed", "_check_running", "_run_forever_cleanup", "_run_forever_setup", "_run_once"),
        *("call_soon", "create_task", "get_debug", "is_running", "run_forever", "stop"),
    )
    if hasattr(asyncio.SelectorEventLoop, name)
)
_methods = operator.attrgetter(*_NAMES)
_base_methods = operator.attrgetter(*_NAMES, "run_until_complete")  # ours call those of asyncio's class
_as_made: Any = None  # of both; None: a program had replaced some of asyncio's before goloop could see it
_version = 0  # of a class that has its methods as they were made

_asyncgens, _executor = standard.shutdown_codes
_c_task = standard.task_imports["c_task"]


def know(loops: type) -> None:
    """Of the class of loops, as its modules have made it."""
    global _as_made
    base = _base_methods(asyncio.SelectorEventLoop)
    if standard.are_own(base):
        _as_made = _methods(loops), base


def _is_as_made(loops: type, version: int) -> bool:
    """Whether what a run of such a loop calls is ours and asyncio's."""
    global _version
    if (_methods(loops), _base_methods(asyncio.SelectorEventLoop)) != _as_made:
        return False
    _version = version
    return True


def called(loop: Any, coroutine: CoroutineType[Any, Any, Any]) -> bool:
    """Call the coroutine, if to run it on the loop is as good as that; whether it has been called, and is done."""
    code = coroutine.cr_code
    if code is _asyncgens:
        if len(loop._asyncgens):
            return False
    elif code is not _executor or loop._default_executor is not None:
        return False
    version = loop._at_rest()
    frame = coroutine.cr_frame
    if (
        not version
        or loop._children
        or events._get_running_loop() is not None
        or tasks.Task is not _c_task
        or not loop.__dict__.keys().isdisjoint(_NAMES)
        or not (version == _version or _is_as_made(type(loop), version))
        or frame is None  # it has ended,
        or coroutine.cr_await is not None  # or begun
        or frame.f_locals["self"] is not loop
    ):
        return False
    for awaited in coroutine.__await__():
        raise AssertionError(f"{coroutine!r} awaits {awaited!r}")
    return True
