"""Listening: the engine accepts, the extension makes the transports."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
from asyncio import base_events, selector_events, trsock
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .clients import keep_clients
from .extra import address_of
from .factories import deferring
from .listening import Listener
from .plainsocket import INTERNET, accepts_plain, family_and_type, is_plain

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

# base_events.Server counts its transports until 3.12 and keeps them from 3.13.
ATTACH_TAKES_TRANSPORT: bool = base_events.Server._attach.__code__.co_argcount == 2  # type: ignore[attr-defined]

_accept: Any = selector_events.BaseSelectorEventLoop._accept_connection2.__code__  # type: ignore[attr-defined]
_ACCEPT_TAKES_CONTEXT: bool = "context" in _accept.co_varnames[: _accept.co_argcount]  # since 3.15


def set_nodelay(sock: socket.socket) -> None:
    """Send small writes at once, as asyncio has it for TCP.

    asyncio leaves out sockets that name no protocol (``proto`` 0), such as most that a
    program makes itself; a delayed acknowledgement then costs each answer 40 ms.
    """
    family, kind = family_and_type(sock)
    if family in INTERNET and kind == socket.SOCK_STREAM and sock.proto in (0, socket.IPPROTO_TCP):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


# An address that leaves open which interface a connection came to.
_WILDCARDS = ("0.0.0.0", "::", "::ffff:0.0.0.0")


def _name_of_connections(sock: socket.socket) -> Any:
    """The address that every connection of a listening socket has, or None."""
    if sock.family == socket.AF_UNIX:
        return sock.getsockname() if sock.fileno() >= 0 else None
    name = sock.getsockname() if sock.family in INTERNET else None
    return name if name and name[0] not in _WILDCARDS else None


class Serving(_Base):
    """The hooks that ``asyncio.Server`` starts and stops listening with."""

    def _start_serving(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: contextvars.Context | None = None,  # each connection gets a copy: 3.15
    ) -> None:
        if not (is_plain(sock) and accepts_plain()):
            given: dict[str, Any] = {}
            if ssl_shutdown_timeout is not None:  # since 3.11
                given["ssl_shutdown_timeout"] = ssl_shutdown_timeout
            if context is not None:
                given["context"] = context
            return super()._start_serving(
                deferring(protocol_factory), sock, sslcontext, server, backlog, ssl_handshake_timeout, **given
            )
        factory = protocol_factory
        if sslcontext is not None:
            timeouts: dict[str, Any] = {"ssl_handshake_timeout": ssl_handshake_timeout}
            if ssl_shutdown_timeout is not None:
                timeouts["ssl_shutdown_timeout"] = ssl_shutdown_timeout

            def factory() -> asyncio.BaseProtocol:
                return self._handshake(protocol_factory(), sslcontext, **timeouts)

        keep_clients(server)
        if self._accepting is None:
            self._renew_accepting()
        set_nodelay(sock)  # accepted sockets inherit it, which saves a system call each
        listener = Listener(
            sock,
            factory,
            server,
            contextvars.copy_context() if context is None else context,
            _name_of_connections(sock),
            sock.family,
            sock.type,
            sock.proto,
            ATTACH_TAKES_TRANSPORT,
            sslcontext is not None,
        )
        self._listen(sock.fileno(), backlog, listener)

    def _stop_serving(self, sock: socket.socket) -> None:
        self._unlisten(sock)
        if self._is_inherited() or sock.fileno() < 0:
            sock.close()  # the path of a Unix socket is the parent's to take away
        else:
            super()._stop_serving(sock)

    def _accept_replaced(self, listener: Listener, fd: int, peer: bytes) -> None:
        """Serve what the engine has accepted from a sockaddr while ``socket.socket`` is not the standard library's.

        So asyncio does: ``accept`` makes an object of the class that is there, which may refuse.
        """
        sock, factory, server, context = listener[:4]
        try:
            conn = socket.socket(sock.family, sock.type, sock.proto, fileno=fd)
        except BaseException as exc:
            os.close(fd)
            if isinstance(exc, (SystemExit, KeyboardInterrupt)):
                raise
            self.call_exception_handler(
                {
                    "message": "socket.accept() failed",
                    "exception": exc,
                    "socket": trsock.TransportSocket(sock),
                }
            )
            return
        conn.setblocking(False)
        given: dict[str, Any] = {"context": context} if _ACCEPT_TAKES_CONTEXT else {}
        accept = self._accept_connection2(
            deferring(factory), conn, {"peername": address_of(peer)}, server=server, **given
        )
        context.run(self.create_task, accept)

    def _accept_failed(self, sock: socket.socket, error: int, backoff: bool) -> None:
        """Called by the engine's completion; it rests for a second when ``backoff`` is true."""
        message = "socket.accept() out of system resource" if backoff else "socket.accept() failed"
        self.call_exception_handler(
            {
                "message": message,
                "exception": OSError(error, os.strerror(error)),
                "socket": trsock.TransportSocket(sock),
            }
        )
