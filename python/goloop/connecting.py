"""Connections that we open, and transports around sockets that are connected."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from asyncio import trsock
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _core
from .factories import deferring, let_go, take_protocol
from .plainsocket import INTERNET, family_and_type, is_plain
from .serving import ATTACH_TAKES_TRANSPORT, set_nodelay
from .tls import SSLProtocol

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
    """The transport hooks of ``BaseEventLoop``."""

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
            made = protocol.connection_made
            set_nodelay(sock)
            lazy = extra is None and family_and_type(sock)[0] in INTERNET
            transport = _core.connected_stream(
                self,
                sock,
                sock.fileno(),
                protocol,
                None if lazy else extra_of(sock, extra),
                server,
                ATTACH_TAKES_TRANSPORT,
                context,
            )
        except BaseException:
            let_go(sock)
            raise
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
