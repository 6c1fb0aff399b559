"""Echo by Protocol, BufferedProtocol or streams; with --tls behind a self-signed certificate."""

from __future__ import annotations

import asyncio

from servers import certificate, common

HEAD = 128  # bytes of the first of two writes
READ_SIZE = 64 * 1024  # room of one read, for what chooses it; a Protocol reads what its loop asks for


class Echo(asyncio.Protocol):
    """Writes back what it gets."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """The same through a buffer of its own.

    It writes a copy: asyncio of Python 3.12 and later keeps a memoryview of what it could not send at once,
    and the next read would overwrite that.
    """

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_SIZE))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.view[:nbytes]))


class Halves(Echo):
    """The same in two writes, as of a head and a body."""

    def data_received(self, data: bytes) -> None:
        self.transport.write(data[:HEAD])
        if len(data) > HEAD:
            self.transport.write(data[HEAD:])


async def stream_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The same by streams, with their default limit of 64 KiB."""
    try:
        while data := await reader.read(READ_SIZE):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the load generator hangs up in mid-message when its time is over
    writer.close()


KINDS = {"protocol": Echo, "buffered": BufferedEcho, "halves": Halves}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--kind", choices=[*KINDS, "streams"], default="protocol")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()

    async def start() -> None:
        context = certificate.server_context() if options.tls else None
        if options.kind == "streams":
            await common.serve_streams(options, stream_echo, context)
        else:
            await common.serve_protocol(options, KINDS[options.kind], context)

    common.serve(options, start)


if __name__ == "__main__":
    main()
