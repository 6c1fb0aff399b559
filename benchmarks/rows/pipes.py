"""Pipes whose two ends are transports of one loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from rows.host import Host, Outcome
from rows.row import MIB, InProcess

TRIPS = 2000  # a lot
MIBS = 16  # a lot
PIECE = 64 * 1024  # bytes, as much as a pipe holds
SMALL, BATCH, BATCHES = 64, 100, 50  # bytes a write, writes a turn, turns a lot


class Reader(asyncio.Protocol):
    """Hands over how many bytes came."""

    def __init__(self, received: Callable[[int], None]) -> None:
        self.received = received

    def data_received(self, data: bytes) -> None:
        self.received(len(data))


class Writer(asyncio.BaseProtocol):
    """Writes pieces until enough has been written, as long as the transport takes them."""

    transport: asyncio.WriteTransport

    def __init__(self) -> None:
        self.left = 0
        self.piece = bytes(PIECE)
        self.paused = False

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.write()

    def write(self) -> None:
        while self.left and not self.paused:
            self.left -= PIECE
            self.transport.write(self.piece)


async def connect(received: Callable[[int], None]) -> tuple[asyncio.ReadTransport, Writer]:
    """A pipe, both ends on the running loop."""
    loop = asyncio.get_running_loop()
    reader, writer = os.pipe()
    source, _ = await loop.connect_read_pipe(lambda: Reader(received), os.fdopen(reader, "rb", 0))
    _, protocol = await loop.connect_write_pipe(Writer, os.fdopen(writer, "wb", 0))
    return source, protocol


def close(host: Host, *ends: tuple[asyncio.ReadTransport, Writer]) -> None:
    async def close() -> None:
        for source, writer in ends:
            writer.transport.close()
            source.close()
        await asyncio.sleep(0.01)  # until connection_lost has closed the files

    host.loop.run_until_complete(close())


def trips(host: Host) -> Outcome:
    """1 KiB there by one pipe, back by another."""
    message = bytes(1024)
    left = 0

    def there(count: int) -> None:
        back.transport.write(message)

    def here(count: int) -> None:
        nonlocal left
        left -= 1
        if left:
            forth.transport.write(message)
        else:
            host.loop.stop()

    first = host.loop.run_until_complete(connect(there))
    second = host.loop.run_until_complete(connect(here))
    forth, back = first[1], second[1]

    def lot() -> int:
        nonlocal left
        left = TRIPS
        forth.transport.write(message)
        host.loop.run_forever()
        return TRIPS

    outcome = host.lots(lot)
    close(host, first, second)
    return outcome


def bulk(host: Host) -> Outcome:
    """64 KiB a write, with flow control."""
    left = 0

    def received(count: int) -> None:
        nonlocal left
        left -= count
        if not left:
            host.loop.stop()

    pipe = host.loop.run_until_complete(connect(received))
    writer = pipe[1]

    def lot() -> int:
        nonlocal left
        left = writer.left = MIBS * MIB
        host.loop.call_soon(writer.write)
        host.loop.run_forever()
        return MIBS

    outcome = host.lots(lot)
    close(host, pipe)
    return outcome


def small(host: Host) -> Outcome:
    """100 writes of 64 bytes a turn; the next hundred when these have come."""
    piece = bytes(SMALL)
    left = batch = 0

    def send() -> None:
        for _ in range(BATCH):
            writer.transport.write(piece)

    def received(count: int) -> None:
        nonlocal left, batch
        batch += count
        if batch < BATCH * SMALL:
            return
        batch = 0
        left -= 1
        if left:
            send()
        else:
            host.loop.stop()

    pipe = host.loop.run_until_complete(connect(received))
    writer = pipe[1]

    def lot() -> int:
        nonlocal left
        left = BATCHES
        host.loop.call_soon(send)
        host.loop.run_forever()
        return BATCHES * BATCH

    outcome = host.lots(lot)
    close(host, pipe)
    return outcome


ROWS = [
    InProcess("pipe-trips-1KiB", "trips/s", "1 KiB through a pipe and back through another", body=trips),
    InProcess("pipe-bulk", "MiB/s", "64 KiB a write through a pipe, with flow control", body=bulk),
    InProcess("pipe-small-writes", "writes/s", "100 writes of 64 bytes a turn into a pipe", body=small),
]
