"""Making a loop and running a program on it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from .loop import Loop

_T = TypeVar("_T")


def new_event_loop() -> Loop:
    """Return a new loop, neither running nor set as the current one.

    Raises:
        RuntimeError: the engine cannot be loaded, with the reason.
        ValueError: ``GOLOOP_SELECTOR`` names no selector of this system.
        OSError: the system refuses a descriptor.
    """
    return Loop()


def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None) -> _T:
    """Run a coroutine on a new goloop loop and close it: ``asyncio.run`` with our loop.

    Args:
        main: the coroutine.
        debug: asyncio's debug mode; ``None`` leaves it to the environment.

    Raises:
        RuntimeError: a loop is running in this thread already. One that allows it (:meth:`goloop.Loop.allow_nested`) runs
            the coroutine itself, is not closed, and keeps its debug mode.
        ValueError: ``main`` is not a coroutine (TypeError from Python 3.14).
    """
    running = asyncio._get_running_loop()
    if isinstance(running, Loop) and running._nestable:
        return _run_nested(running, main)
    if sys.version_info >= (3, 12):
        return asyncio.run(main, debug=debug, loop_factory=new_event_loop)
    if sys.version_info >= (3, 11):
        _refuse_nesting()
        with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
            return runner.run(main)
    return _run_3_10(main, debug)


def _refuse_nesting() -> None:
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("asyncio.run() cannot be called from a running event loop")


def _run_nested(loop: Loop, main: Coroutine[Any, Any, _T]) -> _T:
    if not asyncio.iscoroutine(main):
        error = TypeError if sys.version_info >= (3, 14) else ValueError
        raise error(f"a coroutine was expected, got {main!r}")
    task = loop.create_task(main)
    try:
        return loop.run_until_complete(task)
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)


def _run_3_10(main: Coroutine[Any, Any, _T], debug: bool | None) -> _T:
    """What ``asyncio.run`` of 3.10 does, with our loop in place of the policy's."""
    _refuse_nesting()
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    loop = new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        if debug is not None:
            loop.set_debug(debug)
        return loop.run_until_complete(main)
    finally:
        try:
            asyncio.runners._cancel_all_tasks(loop)  # type: ignore[attr-defined]
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
