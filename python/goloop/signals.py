"""Signals: asyncio's own handlers, told by a pipe that the engine reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


class _WakeupFd:
    """What ``add_signal_handler`` takes for its self-pipe: only ``fileno`` is asked."""

    def __init__(self, open_fd: Callable[[], int]) -> None:
        self._open_fd = open_fd

    def fileno(self) -> int:
        return self._open_fd()


class Signals(_Base):
    """The pipe that ``signal.set_wakeup_fd`` writes to is opened with the first handler."""

    @property
    def _csock(self) -> _WakeupFd:
        return _WakeupFd(self._signal_fd)
