"""``loop._selector``: what libraries and asyncio's transports ask of it."""

from __future__ import annotations

import selectors
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from ._core import Loop, TimerHandle


def _nothing() -> None:
    """Ends a wait."""


class _Watched(Mapping[Any, selectors.SelectorKey]):
    """The descriptors at the time of the call, by number or by file object."""

    def __init__(self, handles: dict[int, tuple[Any, Any, Any]]) -> None:
        self._handles = handles

    def _fd_of(self, fileobj: Any) -> int:
        """The number of a file object; of one that is closed, the number under which it is watched."""
        if isinstance(fileobj, int):
            return fileobj
        for fd, (_, _, file) in self._handles.items():
            if file is fileobj:
                return fd
        return int(fileobj.fileno())

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        fd = self._fd_of(fileobj)
        reader, writer, file = self._handles[fd]
        events = (selectors.EVENT_READ if reader else 0) | (selectors.EVENT_WRITE if writer else 0)
        return selectors.SelectorKey(fd if file is None else file, fd, events, (reader, writer))

    def __iter__(self) -> Iterator[int]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)


class EngineSelector(selectors.BaseSelector):
    """The engine as a selector: shows what ``add_reader`` and ``add_writer`` watch, and takes a turn.

    The engine selects; this is how a program looks on. What transports and servers of the engine watch is not
    shown.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = weakref.ref(loop)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        loop = self._loop()
        watched = () if loop is None or loop.is_closed() else loop._watched()
        return _Watched(
            {
                fd: (reader, writer, its if other is None else other)
                for fd, reader, writer, other, its in watched
            }
        )

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the engine wait for ``timeout`` seconds at most; what has come goes to the loop itself."""
        loop = self._loop()
        if loop is None:
            return []
        if timeout is None or timeout <= 0:
            loop._turn(timeout is None)
            return []
        alarm = TimerHandle(Loop.time(loop) + timeout, _nothing, (), loop)
        loop._give_timer(alarm)
        try:
            loop._turn(True)
        finally:
            alarm.cancel()
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> NoReturn:
        raise NotImplementedError("the loop's engine watches: use add_reader() and add_writer()")

    def unregister(self, fileobj: Any) -> NoReturn:
        raise NotImplementedError("the loop's engine watches: use remove_reader() and remove_writer()")
