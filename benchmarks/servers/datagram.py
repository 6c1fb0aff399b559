"""Sends every UDP datagram back to where it came from."""

from __future__ import annotations

import asyncio
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
        create = asyncio.get_running_loop().create_datagram_endpoint
        transport, _ = await create(Echo, local_addr=("127.0.0.1", 0))
        host, port = transport.get_extra_info("sockname")
        common.ready({"host": host, "port": port})

    common.serve(options, start)


if __name__ == "__main__":
    main()
