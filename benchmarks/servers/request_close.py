"""Answers one request of a connection with its own bytes, then closes: the price of a connection."""

from __future__ import annotations

import asyncio

from servers import common


class RequestClose(asyncio.Protocol):
    """Echoes once and closes."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


async def stream_request_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same by streams."""
    try:
        writer.write(await reader.read(65536))
        await writer.drain()
    except ConnectionError:
        pass  # the load generator hangs up when its time is over
    writer.close()


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--kind", choices=("protocol", "streams"), default="protocol")
    options = parser.parse_args()

    async def start() -> None:
        if options.kind == "streams":
            await common.serve_streams(options, stream_request_close)
        else:
            await common.serve_protocol(options, RequestClose)

    common.serve(options, start)


if __name__ == "__main__":
    main()
