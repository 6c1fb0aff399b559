"""Running a loop inside a callback of itself, for programs that allow it: what notebooks need, without patches of asyncio.

The loop's own turn may be taken again from a callback (pybind/ext/nested.c). Here is what asyncio keeps beside it: who is the
current task, which loop runs, and when a run ends.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from asyncio import base_events, events
from collections.abc import Awaitable, Generator, Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from . import shutdown

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

_T = TypeVar("_T")


def _swap(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
    """Make another task the current one, or none; returns the one before."""
    before = asyncio.current_task(loop)
    if before is not task:
        if before is not None:
            asyncio.tasks._leave_task(loop, before)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
    return before


@contextmanager
def _aside(running: asyncio.AbstractEventLoop) -> Iterator[asyncio.Task[Any] | None]:
    """The task that runs is not the current one in this block, so that others can be."""
    task = _swap(running, None)
    try:
        yield task
    finally:
        _swap(running, task)


def _has_news(task: asyncio.Task[Any], told: weakref.WeakKeyDictionary[asyncio.Task[Any], int]) -> bool:
    """Whether a task that runs has been cancelled since this was asked before."""
    if not getattr(task, "_must_cancel", False):
        return False
    times = 1
    if sys.version_info >= (3, 11):
        times = task.cancelling()
    if times <= told.get(task, 0):
        return False
    told[task] = times
    return True


def _called_by_asyncio() -> bool:
    """Whether the caller's caller is the callback by which asyncio's run_until_complete() ends."""
    code = base_events._run_until_complete_cb.__code__  # type: ignore[attr-defined]
    return sys._getframe(2).f_code is code


class Nesting(_Base):
    """What ``allow_nested()`` allows."""

    _nestable = False
    _runs: list[
        tuple[asyncio.Task[Any] | None, asyncio.Future[Any] | None]
    ]  # nested ones: who called, and for what
    _stop_later = False  # the outermost run shall end, as its future is done
    _told: weakref.WeakKeyDictionary[asyncio.Task[Any], int]

    def allow_nested(self) -> None:
        """Let ``run_until_complete()`` and ``run_forever()`` be called while a loop runs in this thread. Twice is once.

        Inside a callback or task of this loop they take its turns until their future is done: all else on the loop goes on,
        but for the task that called. Inside a callback of another loop, that one waits. :func:`goloop.run` inside a loop that
        allows it runs the coroutine there.

        ``stop()`` ends the innermost run. A run whose future is done ends when those inside it have: the task that called
        first may wait for the one that called last. When a task that called is cancelled, so is what it runs; if the task
        lives on, its next ``await`` raises CancelledError too, unless it has called ``uncancel()`` (from Python 3.13 on), as
        ``asyncio.timeout()`` does.

        ``asyncio.run()`` and ``asyncio.Runner`` refuse by themselves to be called in a running loop, with a RuntimeError.
        What is scheduled in the very context that a waiting task has entered is reported, as on asyncio, and lost: a task that
        ``create_task(context=)`` gave it never goes on. A greenlet must not be left inside of a nested run for good.
        """
        if not self._nestable:
            self._told = weakref.WeakKeyDictionary()
            self._runs = []
            self._nestable = True

    def _is_inside(self) -> bool:
        """Whether this very loop runs in this thread."""
        return bool(self._thread_id == threading.get_ident())

    def run_forever(self) -> None:
        running = events._get_running_loop() if self._nestable else None
        if running is None:
            super().run_forever()
            return
        with _aside(running):
            if self._is_inside():
                self._run_inside(running)
            else:
                self._run_beside(running)

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        awaitable: Any = future  # for the type checker: a generator is none from 3.12 on
        running = events._get_running_loop() if self._nestable else None
        if running is None:
            if type(awaitable) is CoroutineType and shutdown.called(self, awaitable):
                return None  # type: ignore[return-value]
            return super().run_until_complete(awaitable)  # type: ignore[no-any-return]
        if not self._is_inside():  # what it calls is run_forever(), the other one of these
            with self._beside(running):
                return super().run_until_complete(awaitable)  # type: ignore[no-any-return]
        self._check_closed()
        new = not asyncio.isfuture(future)
        awaited: asyncio.Future[_T] = asyncio.ensure_future(awaitable, loop=self)
        if new:
            awaited._log_destroy_pending = False  # type: ignore[attr-defined]
        try:
            with _aside(running) as task:
                self._run_inside(running, awaited, task)
        except BaseException:
            if new and awaited.done() and not awaited.cancelled():
                awaited.exception()  # it is being raised, and need not be reported too
            raise
        if not awaited.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return awaited.result()

    def _run_inside(
        self,
        running: asyncio.AbstractEventLoop,
        awaited: asyncio.Future[Any] | None = None,
        task: asyncio.Task[Any] | None = None,
    ) -> None:
        """Turns until stop(), or until a future is done."""
        self._check_closed()
        if self._is_inherited():
            self._check_running()
        stopping, self._stopping = self._stopping, False  # that is for the run around this one
        self._runs.append((task, awaited))
        events._set_running_loop(self)
        try:
            while awaited is None or not awaited.done():
                self._pass_cancellations_on()
                self._run_once()
                if self._stopping:
                    break
        finally:
            self._runs.pop()
            events._set_running_loop(running)
            self._stopping = stopping
            if not self._runs and self._stop_later:
                self._stop_later, self._stopping = False, True

    def _pass_cancellations_on(self) -> None:
        """From the tasks that have called to what they run; the outermost first, for it may reach all others."""
        for task, awaited in self._runs:
            if task is not None and awaited is not None and _has_news(task, self._told):
                awaited.cancel()

    @contextmanager
    def _beside(self, running: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Another loop runs in this thread, and waits for this block."""
        with _aside(running):
            events._set_running_loop(None)
            try:
                yield
            finally:
                events._set_running_loop(running)

    def _run_beside(self, running: asyncio.AbstractEventLoop) -> None:
        with self._beside(running):
            super().run_forever()

    def stop(self) -> None:
        if self._nestable and self._runs and _called_by_asyncio():
            self._stop_later = (
                True  # the future of the outermost run is done: those inside have no such callback
            )
        else:
            super().stop()
