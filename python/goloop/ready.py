"""``loop._ready``: the queue of the extension, for programs that take the loop's turns themselves.

``nest_asyncio`` and its kin put a ``_run_once`` in Python in place of the loop's: it asks ``_selector.select``, then runs
the handles that ``_ready`` holds. What has come for a transport or a server is a handle there as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


class Ready:
    """The part of ``collections.deque`` that such programs use."""

    def __init__(self, loop: ReadyQueue) -> None:
        self._loop = loop

    def __len__(self) -> int:
        return self._loop._ready_len()

    def __iter__(self) -> Iterator[asyncio.Handle]:
        return iter(self._loop._ready_items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"

    def popleft(self) -> asyncio.Handle:
        """Take the first handle, which the caller runs.

        Raises:
            IndexError: there is none.
        """
        return self._loop._ready_pop()

    def append(self, handle: asyncio.Handle) -> None:
        self._loop._add_callback(handle)

    def appendleft(self, handle: asyncio.Handle) -> None:
        self._loop._ready_insert(handle)

    def extend(self, handles: Iterable[asyncio.Handle]) -> None:
        for handle in handles:
            self.append(handle)

    def extendleft(self, handles: Iterable[asyncio.Handle]) -> None:
        for handle in handles:
            self.appendleft(handle)

    def clear(self) -> None:
        try:
            while self._loop._ready_len():
                self._loop._ready_pop()
        except IndexError:  # another thread has cleared it too
            pass


class ReadyQueue(_Base):
    """``_ready`` itself, which asyncio's constructor sets to a deque that nobody fills."""

    @property
    def _ready(self) -> Ready:
        return Ready(self)

    @_ready.setter
    def _ready(self, ready: object) -> None:
        pass
