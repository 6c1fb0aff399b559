"""What transports have in Python: their texts, and errors that others tell them of."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .extra import Extra
from .flow import Flow


class _Closing:
    """``_fatal_error`` as asyncio's: tell, and close, whatever became of the telling. Exits go up as they are."""

    __slots__ = ()

    if TYPE_CHECKING:
        _loop: Any
        _protocol: Any
        _force_close: Any

    def _failed(self, exc: BaseException, message: str) -> None:
        if isinstance(exc, (SystemExit, KeyboardInterrupt)):
            raise exc
        try:
            self._loop._transport_failed(self, exc, message, self._protocol)
        finally:
            self._force_close(exc)


class Transport(_Closing, Extra, Flow):
    """The base of sockets' transports."""

    __slots__ = ()

    if TYPE_CHECKING:
        _sock_fd: int
        _lost: bool
        _closing: bool
        _attached: bool
        _paused: bool
        _buffered: int

    def __repr__(self) -> str:
        state = " closed" if self._lost else " closing" if self._closing else ""
        reads = self._attached and not self._closing and not self._paused
        return (
            f"<{type(self).__name__}{state} fd={self._sock_fd} read={'polling' if reads else 'idle'}"
            f" write=<{'polling' if self._buffered else 'idle'}, bufsize={self._buffered}>>"
        )

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on transport") -> None:
        self._failed(exc, message)


class Stream:
    """What connected sockets' transports have besides."""

    __slots__ = ()

    if TYPE_CHECKING:
        _loop: Any
        _conn_lost: int
        write: Any
        _keep_empty_waiter: Any
        get_write_buffer_size: Any

    def _pieces(self, lines: Iterable[Any]) -> list[bytes]:
        """What ``writelines`` sends of anything but a list or a tuple of bytes, as asyncio reads it."""
        if sys.version_info < (3, 12):
            self.write(b"".join(lines))  # which looks again: reading them may have run anything
            return []
        if not lines:  # asked first: None is an empty list
            return []
        if sys.version_info >= (3, 14) and self._conn_lost:  # asyncio looks at the list last
            return [b""]
        return [_piece(line) for line in [*lines]]

    def _make_empty_waiter(self) -> asyncio.Future[None]:
        """For ``loop.sendfile``: a future that is done once the queue is empty."""
        size = self.get_write_buffer_size()  # what was written before leaves now, as far as it can
        waiter: asyncio.Future[None] = self._loop.create_future()
        if not self._keep_empty_waiter(waiter):
            raise RuntimeError("Empty waiter is already set")
        if not size:
            waiter.set_result(None)
        return waiter

    def _reset_empty_waiter(self) -> None:
        self._keep_empty_waiter(None)


def _piece(line: Any) -> bytes:
    if type(line) is bytes:
        return line
    if sys.version_info >= (3, 14) and not line:  # is left out, bytes or not
        return b""
    return bytes(memoryview(line))


class Datagram(asyncio.DatagramTransport):
    """What datagrams' transports have besides."""

    __slots__ = ()

    if TYPE_CHECKING:
        get_write_buffer_size: Any

    @property
    def _buffer_size(self) -> int:
        return self.get_write_buffer_size()  # type: ignore[no-any-return]


class _Pipe(_Closing):
    """Of both ends of a pipe."""

    __slots__ = ()

    if TYPE_CHECKING:
        _fileno: int
        _file: Any
        _take_pipe: Any
        _closing: bool
        _pinned: bool
        _buffered: int

    @property
    def _pipe(self) -> Any:
        """The file object; None once it is closed, or whoever sets it to None closes it himself."""
        return self._file

    @_pipe.setter
    def _pipe(self, pipe: Any) -> None:
        self._take_pipe(pipe)

    def __repr__(self) -> str:
        pipe = self._pipe
        state = " closed" if pipe is None else " closing" if self._closing else ""
        head = f"<{type(self).__name__}{state} fd={self._fileno}"
        if pipe is None or self._loop._engine_id <= 0:  # asyncio's words where it has no selector to ask
            return f"{head} {'closed' if pipe is None else 'open'}>"
        return f"{head} {self._traffic()}>"

    def _traffic(self) -> str:
        raise NotImplementedError

    def _close(self, exc: BaseException | None = None) -> None:
        self._force_close(exc)

    def _fatal_error(self, exc: BaseException, message: str = "Fatal error on pipe transport") -> None:
        self._failed(exc, message)


class ReadPipe(_Pipe, asyncio.ReadTransport):
    """The base of reading ends."""

    __slots__ = ()

    def _traffic(self) -> str:
        return "polling" if self._pinned else "idle"


class WritePipe(_Pipe, Flow):
    """The base of writing ends."""

    __slots__ = ()

    def can_write_eof(self) -> bool:
        """True."""
        return True

    def _traffic(self) -> str:
        return f"{'polling' if self._buffered else 'idle'} bufsize={self._buffered}"
