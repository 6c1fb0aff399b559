"""Connections that we open, and transports around sockets that are connected."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from _socket import inet_pton
from asyncio import base_events, trsock
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .factories import deferring, let_go, take_protocol
from .names import Names
from .plainsocket import INTERNET, accepts_plain, family_and_type, is_plain
from .serving import ATTACH_TAKES_TRANSPORT, set_nodelay
from .sockets import Sockets
from .tls import SSLProtocol

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


_asyncio: Any = base_events
_create_connection = base_events.BaseEventLoop.create_connection
_DEFAULTS: dict[str, Any] = _create_connection.__kwdefaults__  # type: ignore[assignment]
_NONBLOCK: int = getattr(socket, "SOCK_NONBLOCK", 0)


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
    """``create_connection``, and the transport hooks of ``BaseEventLoop``."""

    if not TYPE_CHECKING:  # its type is the base's, whose form is another in each Python

        async def create_connection(self, protocol_factory, host=None, port=None, **options):
            """asyncio's; to an address literal without options, it is one connect of one socket."""
            address = self._literal(host, port, options)
            if address:
                family = socket.AF_INET if len(address) == 2 else socket.AF_INET6
                sock = socket.socket(family, socket.SOCK_STREAM | _NONBLOCK, socket.IPPROTO_TCP)
                try:
                    if not _NONBLOCK:
                        sock.setblocking(False)
                    fd = sock.fileno()
                    error = self._connect(sock, fd, family, address)
                    if error:
                        await self._finish_connect(sock, fd, address)
                    if error is not None:
                        protocol = protocol_factory()
                        waiter = self.create_future()
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        transport = self._make_plain_transport(sock, fd, protocol, waiter)
                except BaseException:
                    let_go(sock)
                    raise
                if error is not None:
                    try:
                        await waiter
                    except BaseException:
                        transport.close()
                        raise
                    return transport, protocol
                sock.close()  # sock.connect() has to look at it
            return await super().create_connection(protocol_factory, host, port, **options)

        create_connection.__wrapped__ = _create_connection  # its signature

    def _literal(self, host: Any, port: Any, options: dict[str, Any]) -> tuple[Any, ...] | None:
        """The address of a literal, if nothing but a connect is asked for.

        Of a loop some of whose methods are another's, asyncio's ``create_connection`` calls these.
        """
        if (
            type(host) is not str
            or type(port) is not int
            or self._debug
            or self._closed
            or not all(_DEFAULTS.get(name, self) is value for name, value in options.items())
            or _asyncio.socket is not socket
            or not accepts_plain()
            or _asyncio.BaseEventLoop.create_connection is not _create_connection
            or not all(getattr(getattr(self, name), "__func__", None) is own for name, own in _HOOKS.items())
        ):
            return None
        address: tuple[Any, ...] = (host, port)
        if ":" in host and _asyncio._HAS_IPv6:
            address = host, port, 0, 0
        elif not host[:1].isdigit():
            return None
        try:
            inet_pton(socket.AF_INET if len(address) == 2 else socket.AF_INET6, host)
        except (OSError, ValueError):
            return None
        return address

    def _create_connection_transport(
        self, sock: socket.socket, protocol_factory: Callable[[], Any], *args: Any, **kwargs: Any
    ) -> Any:
        """A coroutine for transport and protocol, as asyncio has it; a factory that raises closes ``sock``."""
        with contextlib.suppress(ValueError):  # what has no number is refused later, and closed
            self._ensure_fd_no_transport(sock)  # first: asyncio of 3.14 closes a socket that it cannot take
        return super()._create_connection_transport(sock, deferring(protocol_factory), *args, **kwargs)

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
        """A transport around ``sock``, which is closed when there can be none.

        Raises:
            RuntimeError: another transport uses ``sock``, and goes on doing so.
        """
        take_protocol(protocol, sock)
        self._ensure_fd_no_transport(sock)
        try:
            if not is_plain(sock):
                given: Any = {} if context is None else {"context": context}  # only 3.15 gives one
                return super()._make_socket_transport(
                    sock, protocol, waiter, extra=extra, server=server, **given
                )
            set_nodelay(sock)
            lazy = extra is None and family_and_type(sock)[0] in INTERNET
            return self._make_plain_transport(
                sock,
                sock.fileno(),
                protocol,
                waiter,
                None if lazy else extra_of(sock, extra),
                server,
                context,
            )
        except BaseException:
            let_go(sock)
            raise

    def _make_plain_transport(
        self,
        sock: socket.socket,
        fd: int,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None,
        extra: dict[str, Any] | None = None,  # None: an internet socket's, found when somebody asks
        server: Any = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Transport:
        """A transport of the extension around a plain socket."""
        made = protocol.connection_made
        transport = self._connected_stream(sock, fd, protocol, extra, server, ATTACH_TAKES_TRANSPORT, context)
        # asyncio's order: the protocol knows its transport before the first byte,
        # the caller wakes last.
        self.call_soon(made, transport, context=transport._context)
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
        take_protocol(protocol, rawsock)
        self._ensure_fd_no_transport(rawsock)
        try:
            ssl_protocol: Any = SSLProtocol(
                self, protocol, sslcontext, waiter, server_side, server_hostname, **timeouts
            )
        except BaseException:
            let_go(rawsock)
            raise
        self._make_socket_transport(rawsock, ssl_protocol, extra=extra, server=server, context=context)
        transport: asyncio.Transport = ssl_protocol._app_transport
        return transport


# What asyncio's create_connection calls of a loop, and whose it is.
_HOOKS: dict[str, Any] = {
    "_ensure_resolved": Names._ensure_resolved,
    "_connect_sock": _asyncio.BaseEventLoop._connect_sock,
    "sock_connect": Sockets.sock_connect,
    "_create_connection_transport": Connecting._create_connection_transport,
    "_make_socket_transport": Connecting._make_socket_transport,
}
