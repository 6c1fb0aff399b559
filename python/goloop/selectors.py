"""The engine's selectors as those of the standard library.

    import asyncio, goloop.selectors
    asyncio.SelectorEventLoop(goloop.selectors.DefaultSelector())

Each class that this system has is a :class:`selectors.BaseSelector`, and keeps what the standard library's of the same name
keeps, with the errors it raises. A loop of goloop needs none of them: its engine asks the same selectors itself.
"""

from __future__ import annotations

import errno
import math
import os
import selectors
import time
from typing import Any, ClassVar

from . import engine

# The registry of file objects, which all of the standard library's share.
Base = selectors._BaseSelectorImpl

EVENT_READ, EVENT_WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def _check(result: int) -> int:
    """The result of a bound function; OSError for a negative one."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


class _EngineSelector(Base):
    """A selector of the engine. It belongs to the process that made it: a forked child makes its own."""

    _backend: ClassVar[str]
    _fd_to_key: dict[int, selectors.SelectorKey]
    _handle = 0

    def __init__(self) -> None:
        super().__init__()
        self._control: Any = engine.control_module()
        self._handle = _check(self._control.control_SelectorOpen(self._backend))

    def _bound(self) -> Any:
        """The bound functions. RuntimeError in a forked child, whose engine knows nothing of this selector."""
        if engine.control_module() is not self._control:
            raise RuntimeError("this selector belongs to the parent process: make a new one after fork()")
        return self._control

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        try:
            _check(self._bound().control_SelectorRegister(self._handle, key.fd, events))
        except BaseException:
            super().unregister(fileobj)
            raise
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self._bound().control_SelectorUnregister(self._handle, key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        if events == key.events:
            return super().modify(fileobj, events, data)
        if not events or events & ~(EVENT_READ | EVENT_WRITE):
            raise ValueError(f"Invalid events: {events!r}")
        try:
            _check(self._bound().control_SelectorModify(self._handle, key.fd, events))
        except BaseException:
            super().unregister(fileobj)
            raise
        key = key._replace(events=events, data=data)
        self._fd_to_key[key.fd] = key
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        until = math.inf if timeout is None else time.monotonic() + max(timeout, 0)
        left = -1.0 if timeout is None else max(timeout, 0)
        while True:
            answer: str = self._bound().control_SelectorSelect(self._handle, left)
            if answer[:1] == "!":
                _check(-int(answer[1:]))
            if answer:
                break
            # Nothing, before the time is over: a signal, whose handler runs here, or a change by another thread.
            if until is not math.inf:
                left = until - time.monotonic()
                if left <= 0:
                    return []
        words = [int(word) for word in answer.split()]
        found = ((self._fd_to_key.get(fd), ready) for fd, ready in zip(words[::2], words[1::2]))
        return [(key, ready & key.events) for key, ready in found if key]

    def close(self) -> None:
        handle, self._handle = self._handle, 0
        if handle and self._control is engine.control_module():
            self._control.control_SelectorClose(handle)
        super().close()

    def __del__(self) -> None:
        if self._handle:
            self.close()


class _WithFileno(_EngineSelector):
    def fileno(self) -> int:
        """The descriptor that the selector itself has."""
        fd: int = self._bound().control_SelectorFd(self._handle)
        if fd == -errno.EBADF:
            raise ValueError("I/O operation on closed selector")
        return _check(fd)


class EpollSelector(_WithFileno):
    """epoll(7), of Linux."""

    _backend = "epoll"


class KqueueSelector(_WithFileno):
    """kqueue(2), of macOS and the BSDs."""

    _backend = "kqueue"


class PollSelector(_EngineSelector):
    """poll(2)."""

    _backend = "poll"


class SelectSelector(_EngineSelector):
    """select(2), which takes descriptors below 1024 only."""

    _backend = "select"


_classes = {each._backend: each for each in (EpollSelector, KqueueSelector, PollSelector, SelectSelector)}


def __getattr__(name: str) -> Any:
    # Which one is the default, the engine says; it is loaded when it is asked for.
    if name != "DefaultSelector":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _classes[engine.control_module().control_SelectorBackends().split()[0]]
