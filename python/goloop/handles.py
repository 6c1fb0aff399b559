"""Handles that other threads may cancel: asyncio has them from 3.14 on."""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio import events
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 14):

    class ThreadSafeHandle(events._ThreadSafeHandle):  # type: ignore[name-defined,misc]
        """The base of the extension's."""

        __slots__ = ()

        if TYPE_CHECKING:
            _wait: Any
            _cancel: Any
            _cancelled: bool

        def _wait_for_callback(self) -> None:
            """Until the callback does not run in another thread."""
            while self._wait(None):
                lock = threading.Lock()
                lock.acquire()
                if not self._wait(lock):
                    return
                lock.acquire()  # which the loop lets go

        def cancel(self) -> None:
            """Cancel the callback. From another thread this waits while the callback runs, and then does nothing."""
            self._wait_for_callback()
            self._cancel()

        def cancelled(self) -> bool:
            """Whether cancel() was called. From another thread this waits while the callback runs."""
            self._wait_for_callback()
            return self._cancelled

        def _run(self) -> None:
            asyncio.Handle._run(self)  # for debug mode: asyncio's own would ask for its lock
