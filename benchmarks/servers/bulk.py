"""One-way transfers: a sink that counts, or a source that sends without end.

Both directions carry the bytes 0, 1 … 250, 0, 1 …, so that the receiver sees a loss. At the end of an upload
the sink answers with the number of bytes it saw, 8 bytes in little endian.
"""

from __future__ import annotations

import asyncio

from servers import common

CHUNK = bytes(range(251)) * 261  # whole periods, just under 64 KiB
BUFFER = 256 * 1024  # of a buffered sink
CHUNKS_A_TURN = 8  # then other connections get their turn, should the transport never ask to pause


class Sink(asyncio.Protocol):
    """Counts what it gets."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.seen = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.seen += len(data)

    def eof_received(self) -> None:
        self.transport.write(self.seen.to_bytes(8, "little"))


class BufferedSink(asyncio.BufferedProtocol):
    """Counts what lands in its buffer."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.seen = 0
        self.view = memoryview(bytearray(BUFFER))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.view

    def buffer_updated(self, nbytes: int) -> None:
        self.seen += nbytes

    def eof_received(self) -> None:
        self.transport.write(self.seen.to_bytes(8, "little"))


class Source(asyncio.Protocol):
    """Writes until the transport's buffer is full, and again when it has room."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.paused = False
        self.pumping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.pump()

    def pump(self) -> None:
        self.pumping = False
        for _ in range(CHUNKS_A_TURN):
            if self.paused or self.transport.is_closing():
                return
            self.transport.write(CHUNK)
        self.pumping = True
        self.loop.call_soon(self.pump)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if not self.pumping:
            self.pump()


KINDS: dict[str, type[asyncio.BaseProtocol]] = {"sink": Sink, "buffered-sink": BufferedSink, "source": Source}


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--way", choices=list(KINDS), required=True)
    options = parser.parse_args()

    async def start() -> None:
        await common.serve_protocol(options, KINDS[options.way])

    common.serve(options, start)


if __name__ == "__main__":
    main()
