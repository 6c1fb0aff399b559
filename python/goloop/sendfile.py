"""Files from the page cache to a socket, by sendfile(2).

``BaseEventLoop`` checks the arguments and falls back to reading and sending where the
system call does not serve: TLS, files in memory, ``SendfileNotAvailableError``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from asyncio import constants, unix_events
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

# Where asyncio looks for sendfile, and its tests take it away.
_unix_events: Any = unix_events

# What BaseEventLoop.sendfile and start_tls look for.
_core._SelectorSocketTransport._sendfile_compatible = constants._SendfileMode.TRY_NATIVE
_core._SelectorSocketTransport._start_tls_compatible = True

# What asyncio asks of one call at most: 1 GiB where a long has 32 bits.
_BLOCK = sys.maxsize // 2 + 1

# asyncio of 3.14 moves the file's position also when nothing was sent; before, its helper was
# given what was sent, to leave the position alone then.
_ALWAYS_MOVES: bool = (
    _unix_events._UnixSelectorEventLoop._sock_sendfile_update_filepos.__code__.co_argcount == 3
)


def seek_start(file: Any) -> None:
    """Go to the beginning of ``file``; one that has no position, such as a pipe, stays where it is."""
    with contextlib.suppress(AttributeError, OSError):
        file.seek(0)


class Sendfile(_Base):
    """The native halves of ``sock_sendfile`` and ``sendfile``, and where their fallbacks begin."""

    _sending: dict[Any, socket.socket | None]  # by transport: what its sendfile sends on, once it does

    async def _sock_sendfile_native(
        self, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        """Send ``count`` bytes of ``file`` from ``offset``, or all to its end; returns how many were sent.

        The file's position is behind the last byte sent, also after an error or a
        cancellation; when nothing was sent it is ``offset`` on Python 3.14 and newer, else as
        before. Between two calls of the system the loop takes a turn.

        Raises:
            SendfileNotAvailableError: ``file`` is not one that the system call takes; nothing was sent.
            OSError: the system call failed in the middle, or ``file`` has no position, on 3.14 and newer.
        """
        if not hasattr(_unix_events.os, "sendfile"):
            raise asyncio.SendfileNotAvailableError("os.sendfile() is not available")
        try:
            fileno = file.fileno()
            size = os.fstat(fileno).st_size
        except (AttributeError, OSError):  # io.UnsupportedOperation is an OSError
            raise asyncio.SendfileNotAvailableError("not a regular file") from None
        if not (count or size):
            return 0
        sent, first = 0, True
        try:
            while not count or sent < count:
                block = min(count - sent if count else size, _BLOCK)
                try:
                    n = os.sendfile(sock.fileno(), fileno, offset + sent, block)
                except (BlockingIOError, InterruptedError):
                    pass
                except OSError as exc:
                    if not sent:
                        raise asyncio.SendfileNotAvailableError("os.sendfile call failed") from None
                    if not first and exc.errno == errno.ENOTCONN and type(exc) is not ConnectionError:
                        raise ConnectionError("socket is not connected", errno.ENOTCONN) from exc
                    raise
                else:
                    if n == 0:
                        break
                    sent += n
                first = False
                await self._writable(sock.fileno())
            return sent
        finally:
            if sent or _ALWAYS_MOVES:
                os.lseek(fileno, offset + sent, os.SEEK_SET)

    async def _sendfile_native(self, transp: Any, file: Any, offset: int, count: int | None) -> int:
        if not isinstance(transp, _core._SelectorSocketTransport):
            return await super()._sendfile_native(transp, file, offset, count)
        if transp in self._sending:  # whose waiter stays as it is
            raise RuntimeError("Empty waiter is already set")
        resume_reading = transp.is_reading()
        transp.pause_reading()
        try:
            self._sending[transp] = None
            await transp._make_empty_waiter()
            # A descriptor of its own: the transport's is the engine's to watch.
            with transp._sock.dup() as sock:
                self._sending[transp] = sock
                return await self.sock_sendfile(sock, file, offset, count, fallback=False)
        finally:
            self._sending.pop(transp, None)
            transp._reset_empty_waiter()
            if resume_reading:
                transp.resume_reading()

    async def _sock_sendfile_fallback(
        self, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        if not offset:  # asyncio's seeks for any other
            seek_start(file)
        return await super()._sock_sendfile_fallback(sock, file, offset, count)

    async def _sendfile_fallback(self, transp: Any, file: Any, offset: int, count: int | None) -> int:
        if not offset:
            seek_start(file)
        return await super()._sendfile_fallback(transp, file, offset, count)

    def _sendfile_lost(self, transp: Any, waiter: asyncio.Future[None]) -> None:
        """End the sendfile of a transport that has lost its connection: it fails with ``ConnectionError``."""
        if not waiter.done():
            waiter.set_exception(ConnectionError("Connection is closed by peer"))
        sock = self._sending.get(transp)
        if sock is not None:
            with contextlib.suppress(OSError):  # the peer was first
                sock.shutdown(socket.SHUT_RDWR)
