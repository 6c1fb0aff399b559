"""The engine's child watcher in asyncio's form, for the Pythons whose policies have one (until 3.13)."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .children import Children

assert sys.version_info < (3, 14), "asyncio has no child watchers from Python 3.14 on"


class ChildWatcher(asyncio.AbstractChildWatcher):
    """Watches children on the engine of the running loop, from a loop in any thread.

    Which way the engine takes (``pidfd``, ``sigchld``, ``thread``) it chooses itself, or
    ``GOLOOP_CHILD_WATCHER`` does. On a loop that is not goloop's, asyncio's
    ``ThreadedChildWatcher`` does the work.
    """

    # From 3.12 AbstractChildWatcher warns of subclasses of other modules than its own; the
    # program has made none.
    __module__ = asyncio.AbstractChildWatcher.__module__

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _watched
        self._watched: dict[int, tuple[Children, int]] = {}  # by pid
        self._threads: asyncio.ThreadedChildWatcher | None = None

    def __enter__(self) -> ChildWatcher:
        return self

    def __exit__(
        self,
        typ: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass

    def is_active(self) -> bool:
        """Always: there is nothing to attach."""
        return True

    def attach_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Nothing: each child is watched by the loop that runs when it is added."""

    def close(self) -> None:
        """Nothing: the loops own what is open."""

    def add_child_handler(  # type: ignore[override]
        self, pid: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Call ``callback(pid, returncode, *args)`` in the running loop when the child has ended.

        It replaces an earlier handler of the same child.

        Raises:
            RuntimeError: no loop runs in this thread.
            OSError: the system refuses to watch the child.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, Children):
            if self._threads is None:
                self._threads = asyncio.ThreadedChildWatcher()
            self._threads.add_child_handler(pid, callback, *args)
            return
        self.remove_child_handler(pid)
        number = loop._watch_child(loop._prepare_child(), pid, self._ended, callback, args)
        with self._lock:
            self._watched[pid] = (loop, number)

    def remove_child_handler(self, pid: int) -> bool:
        """Forget a child, which is then the caller's to reap; whether there was a handler."""
        with self._lock:
            watched = self._watched.pop(pid, None)
        if watched is None:
            return False
        loop, number = watched
        return loop._unwatch_child(number)

    def _ended(self, pid: int, returncode: int, callback: Callable[..., object], args: Any) -> None:
        with self._lock:
            self._watched.pop(pid, None)
        callback(pid, returncode, *args)


ChildWatcher.__module__ = __name__
