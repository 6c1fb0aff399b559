"""loop.sendfile over a transport."""

import asyncio
import io
import os
import tempfile

import pytest

from protocols import Recorder, turns

DATA = os.urandom(3 << 20)


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        file.seek(0)
        yield file


async def read_to_end(loop, sock):
    received = bytearray()
    while chunk := await loop.sock_recv(sock, 1 << 20):
        received += chunk
    return bytes(received)


@pytest.mark.parametrize("fallback", [True, False], ids=["fallback", "native"])
def test_sendfile_sends_the_file_between_two_writes(loop, run, tcp_pair, file, fallback):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        reading = loop.create_task(read_to_end(loop, peer))
        transport.write(b"before")
        assert await loop.sendfile(transport, file, fallback=fallback) == len(DATA)
        transport.write(b"after")
        transport.close()
        assert await reading == b"before" + DATA + b"after"
        assert file.tell() == len(DATA)
        await protocol.lost()

    run(main())


def test_sendfile_sends_a_part(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        reading = loop.create_task(read_to_end(loop, peer))
        assert await loop.sendfile(transport, file, 1000, 500_000) == 500_000
        assert file.tell() == 501_000
        transport.close()
        assert await reading == DATA[1000:501_000]
        await protocol.lost()

    run(main())


def test_sendfile_waits_for_a_full_buffer_first(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(bytes(8 << 20))
        sending = loop.create_task(loop.sendfile(transport, file))
        await turns(3)
        with pytest.raises(RuntimeError, match="^unable to write; sendfile is in progress$"):
            transport.write(b"in between")
        reading = loop.create_task(read_to_end(loop, peer))
        await sending
        transport.close()
        assert await reading == bytes(8 << 20) + DATA
        await protocol.lost()

    run(main())


def test_sendfile_falls_back_for_a_file_in_memory(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        reading = loop.create_task(read_to_end(loop, peer))
        with pytest.raises(asyncio.SendfileNotAvailableError):
            await loop.sendfile(transport, io.BytesIO(DATA), fallback=False)
        assert await loop.sendfile(transport, io.BytesIO(DATA)) == len(DATA)
        transport.close()
        assert await reading == DATA
        await protocol.lost()

    run(main())


def test_sendfile_leaves_reading_as_it_was(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        await loop.sendfile(transport, file, 0, 1000)
        assert transport.is_reading()
        assert transport.get_protocol() is protocol
        await loop.sock_sendall(peer, b"hello")
        assert await protocol.received(5) == b"hello"
        transport.pause_reading()
        await loop.sendfile(transport, file, 0, 1000)
        assert not transport.is_reading()
        transport.close()
        await protocol.lost()

    run(main())


def test_sendfile_on_a_closing_transport_is_refused(loop, run, tcp_pair, file):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.close()
        with pytest.raises(RuntimeError, match="^Transport is closing$"):
            await loop.sendfile(transport, file)
        await protocol.lost()

    run(main())
