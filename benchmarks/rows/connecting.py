"""Connections that the loop opens."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 50
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no port is left in TIME_WAIT


class Client(asyncio.Protocol):
    """Knows when it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lost = loop.create_future()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(None)


def reset_by_peer(transport: asyncio.BaseTransport, listener: socket.socket) -> None:
    """The peer's reset."""
    peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    peer.close()


def aborted(transport: asyncio.Transport, listener: socket.socket) -> None:
    """``abort`` by the same end."""
    transport.abort()
    peer, _ = listener.accept()
    peer.close()


def one_by_one(host: Host, end: Callable[[Any, socket.socket], None]) -> Outcome:
    """``create_connection``, then its end, 50 times; the peer is a plain socket on all loops."""
    loop = host.loop

    async def connections(listener: socket.socket) -> None:
        for _ in range(LOT):
            transport, client = await loop.create_connection(lambda: Client(loop), *listener.getsockname())
            end(transport, listener)
            await client.lost

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def lot() -> int:
            loop.run_until_complete(connections(listener))
            return LOT

        return host.lots(lot)


ROWS = [
    InProcess(
        "tcp-create-connection",
        "conn/s",
        "create_connection over loopback and the peer's reset, one after the other",
        body=partial(one_by_one, end=reset_by_peer),
    ),
    InProcess(
        "tcp-create-connection-abort",
        "conn/s",
        "create_connection over loopback and abort, one after the other",
        body=partial(one_by_one, end=aborted),
    ),
]
