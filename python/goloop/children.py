"""Child processes that the engine watches: whom to tell, signals to them, and SIGCHLD where it is needed."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import itertools
import os
import signal
import threading
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


# By the engine's numbers.
_WATCHERS = ("", "pidfd", "sigchld", "thread")

_NO_HANDLER = (signal.SIG_DFL, signal.SIG_IGN)


class _Sigchld:
    """The handler of SIGCHLD while loops need one and the program has none.

    Any handler that Python knows will do: its part in C writes the signal to the wake-up
    descriptor, where the engine reads it. A program's own is left in place.
    """

    def __init__(self) -> None:
        self._users = 0  # loops
        self._previous: Any = None

    @staticmethod
    def _handler(number: int, frame: Any) -> None:
        """The engine has seen it."""

    def ensure(self) -> bool:
        """See to it that there is a handler; ``False`` where it is neither ours nor Python's."""
        current = signal.getsignal(signal.SIGCHLD)
        if current in _NO_HANDLER:
            self._previous = signal.signal(signal.SIGCHLD, self._handler)
            signal.siginterrupt(signal.SIGCHLD, False)
        return current is not None

    def acquire(self) -> None:
        self._users += 1

    def release(self) -> None:
        """The last loop gives back what was there before, unless the program has changed it since."""
        self._users -= 1
        if self._users == 0 and _in_main_thread() and signal.getsignal(signal.SIGCHLD) is self._handler:
            signal.signal(signal.SIGCHLD, self._previous)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


_sigchld = _Sigchld()


class Children(_Base):
    """The engine knows a child by a number of ours; here is what is called for it."""

    _children: dict[int, tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]]
    _child_numbers: itertools.count[int]
    _watcher_name: str
    _uses_sigchld: bool

    def _init_children(self, watcher: str) -> None:
        """Before :meth:`_watch_child`. ``watcher`` forces a child watcher unless it is empty.

        Raises:
            ValueError: this system has no such watcher.
        """
        self._children = {}
        self._child_numbers = itertools.count(1)
        self._uses_sigchld = False
        self._watcher_name = self._child_watcher(watcher) if watcher else ""

    def _close_children(self) -> None:
        """Forget all, and let SIGCHLD go. The children are their Popen objects' to reap."""
        self._children.clear()
        if self._uses_sigchld:
            self._uses_sigchld = False
            _sigchld.release()

    def _child(self, flags: int, number: int, pid: int, sig: int) -> int:
        return self._submit(_core.OP_CHILD, flags, number, pid, sig)

    def _child_watcher(self, name: str) -> str:
        """Force a child watcher unless ``name`` is empty; which one the next child gets.

        Raises:
            ValueError: this system has no such watcher.
        """
        number = errno.EINVAL
        if name in _WATCHERS:
            number = self._child(_core.CHILD_CHOOSE, _WATCHERS.index(name), 0, 0)
        if number == errno.EINVAL:
            raise ValueError(
                f"goloop: this system has no child watcher called {name:.50} (GOLOOP_CHILD_WATCHER)"
            )
        if number == 0:  # the engine waits in another thread, and has not answered
            raise RuntimeError(
                "Non-thread-safe operation invoked on an event loop other than the current one"
            )
        return _WATCHERS[number]

    def _prepare_child(self) -> int:
        """Get ready to watch one more child; what it gives is for :meth:`_watch_child`."""
        if not self._watcher_name:
            self._watcher_name = self._child_watcher("")
        if self._watcher_name != "sigchld" or not _in_main_thread():
            return _core.CHILD_ADD
        gone = signal.getsignal(signal.SIGCHLD) in _NO_HANDLER
        reached = _sigchld.ensure() and self._take_wakeup_fd()
        if gone or not reached:  # the program has taken something away: look at those that wait
            self._signals_reach(reached)
        if not reached:
            return _core.CHILD_ADD
        if not self._uses_sigchld:
            self._uses_sigchld = self._hears_signals = True
            _sigchld.acquire()
        return _core.CHILD_ADD | _core.CHILD_SIGCHLD

    def _watch_child(self, prepared: int, pid: int, callback: Callable[..., object], *args: Any) -> int:
        """Call ``callback(pid, returncode, *args)`` once the child has ended, in this context.

        It is called in the loop's thread, with 255 when somebody else has taken the exit status.

        Returns:
            A number for :meth:`_unwatch_child` and :meth:`_signal_child`.

        Raises:
            OSError: the system refuses to watch it.
        """
        number = next(self._child_numbers)
        self._children[number] = (callback, args, contextvars.copy_context())
        error = self._child(prepared, number, pid, 0)
        if error:
            del self._children[number]
            raise OSError(error, os.strerror(error))
        return number

    def _unwatch_child(self, number: int) -> bool:
        """Call nothing for the child and leave it to be reaped; whether there was something to forget."""
        if self._children.pop(number, None) is None:
            return False
        self._child(_core.CHILD_REMOVE, number, 0, 0)
        return True

    def _signal_child(self, number: int, sig: int) -> None:
        """Send a signal to a child, or do nothing when it has been reaped already.

        Raises:
            OSError: the system refuses, PermissionError for a child of another user.
            TypeError: ``sig`` is no int.
        """
        error = self._child(_core.CHILD_KILL, number, 0, sig)
        if error not in (0, errno.ESRCH):
            raise OSError(error, os.strerror(error))

    def _child_exited(self, number: int, pid: int, status: int) -> None:
        """Called by the engine's completion; ``status`` is -1 when somebody else has taken it."""
        watched = self._children.pop(number, None)
        if watched is None:
            return
        callback, args, context = watched
        if status < 0:
            returncode = 255
            logger.warning("Unknown child process pid %d, will report returncode 255", pid)
        else:
            returncode = os.waitstatus_to_exitcode(status)
            if self._debug:
                logger.debug("process %s exited with returncode %s", pid, returncode)
        asyncio.Handle(callback, (pid, returncode, *args), self, context)._run()

    def _owns_children(self) -> bool:
        """Whether the engine watches: not after ``close``, and not in a forked child."""
        return not (self._closed or self._is_inherited())

    def _signals_reach(self, reached: bool) -> None:
        """A run begins: SIGCHLDs may have been missed since the last, and come no more unless ``reached``."""
        if self._uses_sigchld and self._children:
            self._child(_core.CHILD_SCAN | (_core.CHILD_SIGCHLD if reached else 0), 0, 0, 0)

    def remove_signal_handler(self, sig: int) -> bool:
        """Remove a handler; whether there was one. See ``asyncio``.

        Raises:
            TypeError: ``sig`` is no int.
            ValueError: ``sig`` is no signal, or cannot be caught.
        """
        removed = super().remove_signal_handler(sig)
        if removed and sig == signal.SIGCHLD and self._uses_sigchld and self._owns_children():
            _sigchld.ensure()
            self._signals_reach(True)  # those that came in between
        return removed
