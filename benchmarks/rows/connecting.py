"""Connections that the loop opens."""

from __future__ import annotations

import asyncio
import socket
import struct

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 50
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no port is left in TIME_WAIT


def one_by_one(host: Host) -> Outcome:
    """``create_connection``, then the peer's reset, 50 times; the peer is a plain socket on all loops."""
    loop = host.loop

    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost = loop.create_future()

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set_result(None)

    async def connections(listener: socket.socket) -> None:
        for _ in range(LOT):
            _, client = await loop.create_connection(Client, *listener.getsockname())
            peer, _ = listener.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            peer.close()
            await client.lost

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def lot() -> int:
            loop.run_until_complete(connections(listener))
            return LOT

        return host.lots(lot)


def aborted(host: Host) -> Outcome:
    """``create_connection``, then ``abort`` by the same end, 50 times; the peer is a plain socket."""
    loop = host.loop

    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.lost = loop.create_future()

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set_result(None)

    async def connections(listener: socket.socket) -> None:
        for _ in range(LOT):
            transport, client = await loop.create_connection(Client, *listener.getsockname())
            transport.abort()
            await client.lost
            peer, _ = listener.accept()
            peer.close()

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
        body=one_by_one,
    ),
    InProcess(
        "tcp-create-connection-abort",
        "conn/s",
        "create_connection over loopback and abort, one after the other",
        body=aborted,
    ),
]
