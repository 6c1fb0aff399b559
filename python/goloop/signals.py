"""Signals: asyncio's own handlers, told by a pipe that the engine reads.

From the first time on that a loop sleeps in the main thread until its run ends the pipe is what ``signal.set_wakeup_fd`` names,
as with uvloop: a signal that comes between Python's last look at its signals and the system call in
which the loop sleeps must end that sleep, or Ctrl-C is late until something else happens.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import sys
import threading
from asyncio import events
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import _core

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


_PATIENCE = 10  # seconds that the main thread waits for another's loop

_NO_SIGNAL: Any = 0
_NO_HANDLE: Any = None

# The pipe of ours that set_wakeup_fd names, or -1.
_in_use = -1


def _leave_wakeup_fd() -> None:
    """Take it back, unless the program has put another in its place. A forked child would write to its parent's."""
    global _in_use
    if _in_use != -1:
        ours, _in_use = _in_use, -1
        previous = signal.set_wakeup_fd(-1)
        if previous not in (ours, -1):
            signal.set_wakeup_fd(previous)


os.register_at_fork(after_in_child=_leave_wakeup_fd)


class Signals(_Base):
    """The pipe is opened by the first run in the main thread, or with the first handler."""

    _ssock = None  # the reading end is the engine's
    _wakes = False  # signals wake the run under way

    @property
    def _csock(self) -> _WakeupFd | None:
        return None if self.is_closed() else _WakeupFd(self._wakeup_fd)

    def _wakeup_fd(self) -> int:
        """The pipe's writing end. The thread that runs the loop opens it, whoever asks."""
        if self._thread_id in (None, threading.get_ident()):
            return self._signal_fd()
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("set_wakeup_fd only works in main thread")
        answer: concurrent.futures.Future[int] = concurrent.futures.Future()

        def open_pipe() -> None:
            try:
                answer.set_result(self._signal_fd())
            except BaseException as error:
                answer.set_exception(error)

        self.call_soon_threadsafe(open_pipe)
        try:
            return answer.result(_PATIENCE)
        except concurrent.futures.TimeoutError:
            raise RuntimeError(f"the loop runs in a thread that was busy for {_PATIENCE} s") from None

    def run_forever(self) -> None:
        """Run until :meth:`stop`.

        Raises:
            RuntimeError: this loop or another one runs in this thread, or it is closed.
        """
        if (
            self._closed
            or self._thread_id is not None
            or events._get_running_loop() is not None
            or self._is_inherited()
        ):  # first: before 3.13.1 a refused run_forever made a running loop look stopped
            self._check_closed()
            self._check_running()
        self._wakes = False
        self._hears_signals = (
            bool(self._signal_handlers) or self._uses_sigchld or self._has_own_handle_signal()
        )
        main = threading.current_thread() is threading.main_thread()
        if not main:
            self._signals_reach(False)
        elif self._hears_signals or _in_use != -1:
            self._signals_reach(self._take_wakeup_fd())
        else:
            self._signal_fd()
            self._deaf = True  # the first turn that sleeps calls _take_wakeup_fd
        # A _run_once of the program's takes its turns one at a time.
        self._forever = type(self)._run_once is _core.Loop._run_once and "_run_once" not in self.__dict__
        try:
            super().run_forever()
        finally:
            self._forever = self._deaf = False
            if sys.version_info < (3, 12) and asyncio._get_running_loop() is self:
                asyncio._set_running_loop(None)  # asyncio found no memory to do it
            if self._wakes and not self._signal_handlers:
                _leave_wakeup_fd()

    def _has_own_handle_signal(self) -> bool:
        asyncio_s = asyncio.SelectorEventLoop._handle_signal  # type: ignore[attr-defined]
        return type(self)._handle_signal is not asyncio_s or "_handle_signal" in self.__dict__

    def _take_wakeup_fd(self) -> bool:
        """Let signals wake this loop, unless the program has a wake-up descriptor of its own."""
        global _in_use
        self._deaf = False
        fd = self._signal_fd()
        self._wakes = True  # first: a signal's handler may raise
        try:
            previous = signal.set_wakeup_fd(fd)
        except ValueError:  # another interpreter's main thread: no signal comes there
            self._wakes = False
            return False
        if previous not in (fd, -1):
            signal.set_wakeup_fd(previous)
            self._wakes = False
            return False
        _in_use = fd
        if previous == -1:
            self._signals_reach(True)  # those that came without it have left nothing to read
        return True

    @contextlib.contextmanager
    def _keeping_wakeup_fd(self) -> Iterator[None]:
        """asyncio gives the descriptor back with the last handler. A running loop keeps it, and without a moment
        in between, in which a signal would be lost: there is one more handler, of no signal."""
        global _in_use
        if not self.is_running() or self._is_inherited():
            yield
            if not self._signal_handlers:
                _in_use = -1  # asyncio has taken it back
            return
        if self._deaf:
            self._take_wakeup_fd()
        self._signal_handlers[_NO_SIGNAL] = _NO_HANDLE
        try:
            yield
        finally:
            del self._signal_handlers[_NO_SIGNAL]

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Call ``callback(*args)`` in the loop after each signal. See ``asyncio``.

        Raises:
            TypeError: ``sig`` is no int, or ``callback`` a coroutine function.
            ValueError: ``sig`` is no signal.
            RuntimeError: it cannot be caught, or this is not the main thread.
        """
        self._hears_signals = True
        with self._keeping_wakeup_fd():
            super().add_signal_handler(sig, callback, *args)

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove a handler; whether there was one. See ``asyncio``.

        Raises:
            TypeError: ``sig`` is no int.
            ValueError: ``sig`` is no signal, or cannot be caught.
        """
        with self._keeping_wakeup_fd():
            return super().remove_signal_handler(sig)
