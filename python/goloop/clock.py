"""Loops whose ``time()`` is replaced: their timers are asyncio's, kept here.

A test's clock jumps, stands still or runs faster than the system's, and asyncio's scheduler follows it, because it
compares each timer with ``time()``. The engine's timers know the system's clock only. So a loop with another
``time()``, from a subclass or set on the instance, keeps its timers in ``_scheduled``, asyncio's heap, and takes
its turns through ``_selector.select(timeout)``, which such a loop may replace as well.
"""

from __future__ import annotations

import asyncio
import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

_MAXIMUM_WAIT = 24 * 3600  # seconds: asyncio's bound for one call of select
_COMPACT_FROM = 100  # timers: from here on cancelled ones may be most of the heap, as in asyncio


class Clock(_Base):
    """Called by the extension, for a loop with a replaced ``time()`` only."""

    _compact_at = _COMPACT_FROM

    def _start_clock(self) -> None:
        """``time()`` has been replaced: the timers come from the engine."""
        self._scheduled += self._take_timers()
        for handle in self._scheduled:
            handle._scheduled = True
        heapq.heapify(self._scheduled)

    def _stop_clock(self) -> None:
        """``time()`` is the loop's own again: the timers go back to the engine."""
        self._scheduled.sort()
        given = 0
        try:
            for handle in self._scheduled:
                if not handle.cancelled():
                    self._give_timer(handle)
                given += 1
        finally:
            del self._scheduled[:given]

    def _schedule_by_clock(self, handle: asyncio.TimerHandle) -> None:
        if len(self._scheduled) >= self._compact_at:
            self._scheduled = [timer for timer in self._scheduled if not timer.cancelled()]
            heapq.heapify(self._scheduled)
            self._compact_at = max(_COMPACT_FROM, 2 * len(self._scheduled))
        heapq.heappush(self._scheduled, handle)

    def _run_by_clock(self) -> None:
        """One turn: wait, then run what is ready, then I/O, then due timers."""
        self._selector.select(self._wait_by_clock())
        due = []
        end = self.time() + self._clock_resolution
        while self._scheduled and self._scheduled[0].when() < end:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            due.append(handle)
        self._batch(due)

    def _wait_by_clock(self) -> float | None:
        """How long the turn may wait, in seconds; None for ever."""
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)._scheduled = False
        if self._has_come():
            return 0
        if not self._scheduled:
            return None
        first: asyncio.TimerHandle = self._scheduled[0]
        return min(max(0, first.when() - self.time()), _MAXIMUM_WAIT)
