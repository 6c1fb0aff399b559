"""The methods for plain sockets: ``sock_recv``, ``sock_sendall`` and their kin.

Each tries the socket's own method and, when that would block, waits until the engine
finds the descriptor ready and tries again. The first ``recv``, ``recv_into`` or ``send`` of a plain
socket is the extension's, and so is each ``recv`` (``readiness.c``). The attempt is made by the coroutine itself,
after it has been woken, so a cancelled call has taken nothing from the socket: no byte,
no datagram and no connection is lost. A call that can be answered at once does not yield.

The wait is the descriptor's reader or writer, as on asyncio: the later of two calls in
the same direction replaces the earlier one, which then waits until it is cancelled.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from asyncio import base_events
from typing import TYPE_CHECKING, Any

from .plainsocket import family_and_type, is_plain

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

_WOULD_BLOCK = (BlockingIOError, InterruptedError)
_UNDER_WAY = {errno.EAGAIN, errno.EALREADY, errno.EINPROGRESS, errno.EINTR}
# EAGAIN of connect(2) says that nothing has begun. Of a Unix socket, that the server's queue is full: a blocking connect
# would wait for room. The system does not tell when there is, so it is asked again, in seconds:
_FIRST_RETRY, _LAST_RETRY = 0.001, 0.05
_HAS_IPV6: bool = base_events._HAS_IPv6  # type: ignore[attr-defined]
_check_ssl_socket = base_events._check_ssl_socket  # type: ignore[attr-defined]


class Sockets(_Base):
    """``sock_*`` of the loop, except ``sock_sendfile``."""

    def _check_socket(self, sock: socket.socket) -> None:
        """Refuse what cannot be waited for.

        Raises:
            TypeError: an SSL socket.
            ValueError: a blocking socket, in debug mode.
        """
        _check_ssl_socket(sock)
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def sock_recv(self, sock: socket.socket, n: int) -> bytes:
        """Receive at most ``n`` bytes; empty at the end of the stream.

        Raises:
            OSError: as ``socket.recv``.
            RuntimeError: a transport uses the descriptor.
            TypeError, ValueError: see ``_check_socket``.
        """
        received = self._receive(sock, n)
        if received is not None:
            if type(received) is bytes:
                return received
            try:
                return await received  # type: ignore[no-any-return]
            finally:
                del received  # which ends the wait: a traceback keeps this frame
        self._check_socket(sock)
        while True:
            try:
                return sock.recv(n)
            except _WOULD_BLOCK:
                pass
            await self._readable(sock.fileno())

    async def sock_recv_into(self, sock: socket.socket, buf: Any) -> int:
        """``sock_recv`` into a writable buffer; returns how many bytes."""
        received = self._receive_into(sock, buf)
        if received is None:
            self._check_socket(sock)
        elif received is not False:
            return received
        else:
            await self._readable(sock.fileno())
        while True:
            try:
                return sock.recv_into(buf)
            except _WOULD_BLOCK:
                pass
            await self._readable(sock.fileno())

    if sys.version_info >= (3, 11):

        async def sock_recvfrom(self, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
            """Receive a datagram of at most ``bufsize`` bytes with the address of its sender."""
            self._check_socket(sock)
            while True:
                try:
                    return sock.recvfrom(bufsize)
                except _WOULD_BLOCK:
                    pass
                await self._readable(sock.fileno())

        async def sock_recvfrom_into(self, sock: socket.socket, buf: Any, nbytes: int = 0) -> tuple[int, Any]:
            """``sock_recvfrom`` into a writable buffer, of which ``nbytes`` are used; 0 is all."""
            self._check_socket(sock)
            if not nbytes:
                len(buf)  # asyncio's TypeError; the system is asked for all, as items may be wider than bytes
            while True:
                try:
                    return sock.recvfrom_into(buf, nbytes)
                except _WOULD_BLOCK:
                    pass
                await self._readable(sock.fileno())

        async def sock_sendto(self, sock: socket.socket, data: Any, address: Any) -> int:
            """Send a datagram; returns how many bytes."""
            self._check_socket(sock)
            while True:
                try:
                    return sock.sendto(data, address)
                except _WOULD_BLOCK:
                    pass
                await self._writable(sock.fileno())

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        """Send all of ``data``. When it fails or is cancelled, an unknown part has been sent.

        Raises:
            OSError: as ``socket.send``.
            RuntimeError: a transport uses the descriptor.
            TypeError, ValueError: see ``_check_socket``.
        """
        sent = self._send(sock, data)
        if sent is True:
            return
        if sent is None:
            self._check_socket(sock)
            try:
                sent = sock.send(data)
            except _WOULD_BLOCK:
                sent = 0
            if type(data) is bytes and sent == len(data):
                return
        view = memoryview(data)
        size = view.nbytes  # len() counts items, which may be wider
        try:
            if sent < size:
                view = view.cast("B")
            while sent < size:
                await self._writable(sock.fileno())
                try:
                    sent += sock.send(view[sent:])
                except _WOULD_BLOCK:
                    pass
        finally:
            del view  # a traceback keeps this frame, and nobody resizes data of which there is a view

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept a connection; returns its non-blocking socket and the peer's address.

        Raises:
            OSError: as ``socket.accept``.
            RuntimeError: a transport uses the descriptor.
            TypeError, ValueError: see ``_check_socket``.
        """
        self._check_socket(sock)
        while True:
            number = sock.fileno()  # first, as asyncio: what is no socket says so here
            try:
                conn, address = sock.accept()
            except _WOULD_BLOCK:
                pass
            else:
                conn.setblocking(False)
                return conn, address
            await self._readable(number)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to an address, whose host is resolved if it is a name.

        Of a Unix socket whose server has no room for another, it waits for room.

        Raises:
            OSError: of the subclass that the errno has, ``Connect call failed``.
            RuntimeError: a transport uses the descriptor.
            TypeError, ValueError: see ``_check_socket``.
        """
        self._check_socket(sock)
        family, kind = family_and_type(sock)
        internet = family == socket.AF_INET or (_HAS_IPV6 and family == socket.AF_INET6)
        if internet:
            resolved = await self._ensure_resolved(
                address, family=family, type=kind, proto=sock.proto, loop=self
            )
            address = resolved[0][4]
        fd, error = sock.fileno(), None
        if internet and sock.gettimeout() == 0 and is_plain(sock):
            error = self._connect(sock, fd, family, address)
        delay = _FIRST_RETRY
        while error is None:
            try:
                sock.connect(address)
                return
            except InterruptedError:
                error = errno.EINPROGRESS
            except BlockingIOError as exc:
                if exc.errno != errno.EAGAIN:
                    error = errno.EINPROGRESS
                elif family != socket.AF_UNIX:
                    raise
            if error is None:
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LAST_RETRY)
        if error:
            await self._finish_connect(sock, fd, address)

    async def _finish_connect(self, sock: socket.socket, fd: int, address: Any) -> None:
        """Wait for the end of a connect that is under way."""
        error: int = errno.EINPROGRESS
        while error:
            if error not in _UNDER_WAY:
                raise OSError(error, f"Connect call failed {address}")
            await self._connecting(fd)
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
