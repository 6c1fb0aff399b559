"""Sends every UDP datagram back to where it came from."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from servers import common


class Echo(asyncio.DatagramProtocol):
    """Answers with what it gets."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


def main() -> None:
    options = common.parser(__doc__).parse_args()

    async def start() -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=sock)
        common.ready(sock)

    common.serve(options, start)


if __name__ == "__main__":
    main()
