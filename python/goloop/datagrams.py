"""Datagram endpoints: ``BaseEventLoop.create_datagram_endpoint`` over the engine."""

from __future__ import annotations

import asyncio
import functools
import socket
from asyncio import base_events
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from .connecting import extra_of
from .factories import deferring, let_go, take_protocol
from .plainsocket import is_plain

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
TYPES = (socket.SOCK_DGRAM, socket.SOCK_RAW)


class Datagrams(_Base):
    """The transport hook of ``create_datagram_endpoint``, and what the extension asks of it."""

    if not TYPE_CHECKING:  # its type is the base's, whose form is another in each Python

        @functools.wraps(base_events.BaseEventLoop.create_datagram_endpoint)
        async def create_datagram_endpoint(self, protocol_factory, *args, **kwargs):
            return await super().create_datagram_endpoint(deferring(protocol_factory), *args, **kwargs)

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: asyncio.DatagramProtocol,
        address: Any = None,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> asyncio.DatagramTransport:
        take_protocol(protocol, sock)
        self._ensure_fd_no_transport(sock)
        try:
            if not is_plain(sock) or sock.family not in FAMILIES or sock.type not in TYPES:
                # Netlink, packet, CAN and their kin: Python's socket knows their addresses.
                return super()._make_datagram_transport(sock, protocol, address, waiter, extra)
            made = protocol.connection_made
            info = extra_of(sock, extra)
            transport = self._datagram_transport(
                sock, sock.fileno(), sock.family, protocol, address or None, info, info.get("peername")
            )
        except BaseException:
            let_go(sock)
            raise
        # asyncio's order: the protocol knows its transport before the first datagram,
        # the caller wakes last.
        self.call_soon(made, transport, context=transport._context)
        self.call_soon(transport._start_reading)
        if waiter is not None:
            self.call_soon(_set_result_unless_cancelled, waiter, None)
        return transport

    def _send_by_socket(self, sock: socket.socket, data: bytes, address: Any, waits: bool) -> Any:
        """Send to an address that only ``sock.sendto`` knows; unless others wait, and when the kernel has no room, the numeric
        one that it would find, for a datagram that has to wait too. True, without an address: it goes to the peer, which need
        not have a name, as the other end of a socketpair.

        Raises:
            OSError: there is none, or it cannot be sent to.
            TypeError: ``address`` is none.
        """
        if address is None:
            try:
                sock.getpeername()
                return True
            except OSError:
                pass  # there is none
        if not waits:
            try:
                sock.sendto(data, address)
                return None
            except (BlockingIOError, InterruptedError):
                pass
        host, port, *scope = address
        if host == "<broadcast>":
            host = "255.255.255.255"
        found = socket.getaddrinfo(host or None, port, sock.family, sock.type, sock.proto, socket.AI_PASSIVE)
        return (*found[0][4][:2], *(scope or found[0][4][2:]))
