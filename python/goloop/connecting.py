"""Connections that we open, and transports around sockets that are connected."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from asyncio import base_events, sslproto, trsock
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from . import _core
from .plainsocket import is_plain
from .serving import ATTACH_TAKES_TRANSPORT, set_nodelay

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


def extra_of(sock: socket.socket, extra: dict[str, Any] | None) -> dict[str, Any]:
    """What ``get_extra_info`` of a transport around ``sock`` knows, as asyncio collects it."""
    info: dict[str, Any] = dict(extra) if extra else {}
    info["socket"] = trsock.TransportSocket(sock)
    try:
        info["sockname"] = sock.getsockname()
    except OSError:
        info["sockname"] = None
    if "peername" not in info:
        try:
            info["peername"] = sock.getpeername()
        except OSError:
            info["peername"] = None
    return info


class Connecting(_Base):
    """``sock_connect`` and the transport hooks of ``BaseEventLoop``."""

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: contextvars.Context | None = None,  # of all callbacks of the connection: 3.15
    ) -> asyncio.Transport:
        if not is_plain(sock):
            return super()._make_socket_transport(sock, protocol, waiter, extra=extra, server=server)
        self._ensure_fd_no_transport(sock)
        set_nodelay(sock)
        transport = _core.connected_stream(
            self,
            sock,
            sock.fileno(),
            protocol,
            extra_of(sock, extra),
            server,
            ATTACH_TAKES_TRANSPORT,
            context,
        )
        # asyncio's order: the protocol knows its transport before the first byte,
        # the caller wakes last.
        self.call_soon(protocol.connection_made, transport, context=context)
        self.call_soon(transport._start_reading)
        if waiter is not None:
            self.call_soon(_set_result_unless_cancelled, waiter, None)
        return transport

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: contextvars.Context | None = None,
        **timeouts: Any,
    ) -> asyncio.Transport:
        self._ensure_fd_no_transport(rawsock)
        ssl_protocol = sslproto.SSLProtocol(
            self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts
        )
        self._make_socket_transport(rawsock, ssl_protocol, extra=extra, server=server, context=context)
        return ssl_protocol._app_transport

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a non-blocking socket; the engine waits for numeric addresses.

        Raises:
            OSError: of the subclass that the errno has, ``Connect call failed``.
            ValueError: the socket blocks, in debug mode.
            TypeError: an SSL socket.
        """
        if (
            not is_plain(sock)
            or sock.family not in (socket.AF_INET, socket.AF_INET6)
            or sock.gettimeout() != 0
        ):
            return await super().sock_connect(sock, address)
        base_events._check_ssl_socket(sock)  # type: ignore[attr-defined]
        resolved = await self._ensure_resolved(
            address, family=sock.family, type=sock.type, proto=sock.proto, loop=self
        )
        address = resolved[0][4]
        fd = sock.fileno()
        future: asyncio.Future[int] = self.create_future()
        if not self._connect(fd, sock.family, address, future):
            return await super().sock_connect(sock, address)
        try:
            error = await future
        finally:
            if future.cancelled():
                self._connect_cancel(fd)
        if error:
            raise OSError(error, f"Connect call failed {address}")

    def _connect_done(self, future: asyncio.Future[int], error: int) -> None:
        """Called by the engine's completion."""
        if not future.done():
            future.set_result(error)

    async def _sendfile_native(self, transp: Any, file: Any, offset: int, count: int | None) -> int:
        resume_reading = transp.is_reading()
        transp.pause_reading()
        await transp._make_empty_waiter()
        try:
            # A descriptor of its own: the transport's is the engine's to watch.
            with transp._sock.dup() as sock:
                return await self.sock_sendfile(sock, file, offset, count, fallback=False)
        finally:
            transp._reset_empty_waiter()
            if resume_reading:
                transp.resume_reading()
