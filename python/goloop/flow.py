"""Flow control of what is written."""

from __future__ import annotations

from asyncio import transports
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    _FlowControl = asyncio.WriteTransport
else:
    _FlowControl = transports._FlowControlMixin


class Flow(_FlowControl):
    """asyncio's, whose limits the engine knows."""

    __slots__ = ()

    if TYPE_CHECKING:
        _low: int
        _high: int
        _set_limits: Any
        _set_write_buffer_limits: Any

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """(low, high) in bytes."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Bytes at which ``pause_writing`` and ``resume_writing`` are called.

        Raises:
            ValueError: not ``high >= low >= 0``.
        """
        given = 0 if high is None else high, 0 if low is None else low
        try:
            accepted = self._set_limits(high is not None, given[0], low is not None, given[1])
        except OverflowError:  # an int that is no float: no buffer comes near it
            bound = [max(-1, min(limit, 1 << 1000)) for limit in given]
            ordered = high is None or low is None or high >= low
            accepted = ordered and self._set_limits(high is not None, bound[0], low is not None, bound[1])
        if not accepted:
            self._set_write_buffer_limits(high, low)  # asyncio's own has the words for it
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
