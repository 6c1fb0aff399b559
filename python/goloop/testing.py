"""A loop for tests: its timers jump, its I/O is real.

    pytest-asyncio    def pytest_asyncio_loop_factories(config, item): return {"virtual": goloop.testing.virtual_loop}
    anyio             @pytest.fixture
                      def anyio_backend(): return "asyncio", {"loop_factory": goloop.testing.virtual_loop}
    asyncio           asyncio.run(main(), loop_factory=goloop.testing.virtual_loop)

``await asyncio.sleep(3600)`` ends at once, and ``loop.time()`` says 3600 afterwards. Nothing is patched: ``time()`` is
another, and asyncio's timers, timeouts and deadlines follow it.

When time leaps
    Nothing is ready, the kernel has nothing, and nothing is under way: then the clock is set to the next timer, and only then
    does it change. Timers keep their order; those of one instant run as they were scheduled. What callbacks do takes no time.

What holds it back
    - Jobs of ``run_in_executor`` and ``to_thread``, lookups, child processes, the shutdown of executors, and what a test
      names with :meth:`VirtualLoop.hold`: while one is under way, a timer fires when it would on any loop, after its real
      time.
    - Any descriptor that is watched, transports and servers included: the kernel must have been silent for ``grace`` real
      seconds (20 ms) before time leaps. What comes earlier is served first, however long the timeout is that waits for it.
    - Callbacks that are ready. Those without an end hold a timer until a second after it would be due on any loop.

Limits
    A peer that thinks for longer than ``grace`` (a database, a host far away), a thread that the loop did not start, a signal
    from outside: the loop cannot know of them, and time leaps past them, so that a timeout which waits for them fires; give a
    larger ``grace``, or take ``hold()`` for as long. With a descriptor watched each leap costs ``grace`` of real time. A
    child that runs for the whole test makes time real for the whole test: start it by ``subprocess.Popen``.
    ``time.monotonic()``, ``time.sleep()`` and the timeouts of sockets that block stay real. The timers of one loop jump, not
    those of another loop or thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .loop import Loop

__all__ = ["VirtualLoop", "virtual_loop"]

_PATIENCE = 1.0  # real seconds after which a loop that never rests lets a timer fire all the same


class VirtualLoop(Loop):
    """See the module. ``time()`` begins at ``start``."""

    def __init__(self, *, start: float = 0.0, grace: float = 0.02) -> None:
        self._now = start
        self._grace = grace
        self._pace = 0.0  # the real clock, plus what was leapt over, less what lies between runs
        self._stopped: float | None = time.monotonic()
        self._scheduling: dict[
            int, tuple[int, float]
        ] = {}  # of timers, by id: their order, and when the pace would have them due
        self._numbers = itertools.count()
        self._jobs: set[asyncio.Future[Any]] = set()
        self._held: set[object] = set()
        super().__init__()

    def time(self) -> float:
        """The instant of the last timer that was leapt to."""
        return self._now

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Something real is under way in this block: timers take their real time. Any thread may enter."""
        token = object()
        self._held.add(token)
        try:
            yield
        finally:
            self._held.discard(token)
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                self.call_soon_threadsafe(lambda: None)

    def run_forever(self) -> None:
        outermost, self._stopped = self._stopped, None
        if outermost is not None:
            self._pace -= time.monotonic() - outermost
        try:
            super().run_forever()
        finally:
            if outermost is not None:
                self._stopped = time.monotonic()

    if not TYPE_CHECKING:  # its type is the base's, whose form is another in each Python

        def run_in_executor(self, executor, func, *args):
            future = super().run_in_executor(executor, func, *args)
            self._jobs.add(future)
            return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        with self.hold():
            await super().shutdown_default_executor(*args, **kwargs)

    def _real(self) -> float:
        return time.monotonic() + self._pace

    def _schedule_by_clock(self, handle: asyncio.TimerHandle) -> None:
        due = self._real() + max(0.0, handle.when() - self._now)
        self._scheduling[id(handle)] = next(self._numbers), due
        super()._schedule_by_clock(handle)
        if (
            len(self._scheduling) > 2 * len(self._scheduled) + 100
        ):  # cancelled timers leave the heap by themselves
            self._scheduling = {
                id(timer): self._scheduling[id(timer)]
                for timer in self._scheduled
                if id(timer) in self._scheduling
            }

    def _due(self, timer: asyncio.TimerHandle) -> float:
        """When a timer would be due if the clock were real, by that of ``_real``."""
        found = self._scheduling.get(id(timer))  # None: somebody else put it into the heap
        return found[1] if found else self._real()

    def _is_held(self) -> bool:
        """Whether something is under way that will come to an end by itself."""
        self._jobs = {job for job in self._jobs if not job.done()}
        return bool(self._jobs or self._held or self._lookups or self._children)

    def _run_by_clock(self) -> None:
        """One turn, as of any loop with a clock of its own; only does this one set its clock before it runs due timers."""
        timers = self._scheduled
        while timers and timers[0].cancelled():
            self._forget(heapq.heappop(timers))
        if not timers:
            self._selector.select(0 if self._has_come() else None)
        elif timers[0].when() < self._now + self._clock_resolution:
            self._selector.select(0)
        elif self._rests(timers[0]) or self._real() >= self._due(timers[0]) + _PATIENCE:
            self._leap(timers[0])
        end = self._now + self._clock_resolution
        due = []
        while timers and timers[0].when() < end:
            handle = heapq.heappop(timers)
            due.append((handle.when(), self._forget(handle), handle))
        due.sort()
        self._batch([handle for _, _, handle in due])

    def _rests(self, first: asyncio.TimerHandle) -> bool:
        """Wait for what comes before the first timer; whether nothing has."""
        self._selector.select(0)
        if self._has_come():
            return False
        left = self._due(first) - self._real()
        if not self._is_held():
            left = min(left, self._grace if self._watches > 0 else 0.0)
        end = self._real() + left
        if left > 0:
            self._selector.select(left)
        return not self._has_come() and self._real() >= end  # else a signal has ended the wait

    def _leap(self, first: asyncio.TimerHandle) -> None:
        self._pace += max(0.0, self._due(first) - self._real())
        self._now = first.when()

    def _forget(self, handle: Any) -> int:
        """The number of a timer that leaves the heap."""
        handle._scheduled = False
        number, _ = self._scheduling.pop(id(handle), (-1, 0.0))
        return number


def virtual_loop(*, start: float = 0.0, grace: float = 0.02) -> VirtualLoop:
    """Return a new loop whose timers jump. It is a loop factory as it stands; others are made of it by ``functools.partial``.

    Args:
        start: what ``time()`` says at the beginning.
        grace: for how many real seconds the kernel must be silent before time leaps, while any descriptor is watched.

    Raises:
        RuntimeError: the engine cannot be loaded.
        OSError: the system refuses a descriptor.
    """
    return VirtualLoop(start=start, grace=grace)
