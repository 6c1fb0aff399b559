"""asyncio.streams over the loop's transports."""

import asyncio
import contextlib
import os
import tempfile

import pytest


@contextlib.asynccontextmanager
async def serving(handler, **options):
    """A server that runs handler(reader, writer) for each connection; yields its address."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await server.wait_closed()


async def finish(writer):
    writer.close()
    await writer.wait_closed()


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    await finish(writer)


def test_lines_are_echoed(loop, run):
    async def main():
        async with serving(echo) as address:
            reader, writer = await asyncio.open_connection(*address)
            for number in range(100):
                writer.write(b"line %d\n" % number)
                assert await reader.readline() == b"line %d\n" % number
            writer.write_eof()
            assert await reader.read() == b""
            assert reader.at_eof()
            await finish(writer)

    run(main())


def test_readexactly_and_readuntil_take_apart_a_stream(loop, run):
    async def send(reader, writer):
        for piece in (b"ab", b"cdef|g", b"h", b"|ijk"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await finish(writer)

    async def main():
        async with serving(send) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.readexactly(3) == b"abc"
            assert await reader.readuntil(b"|") == b"def|"
            assert await reader.readuntil(b"|") == b"gh|"
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readexactly(10)
            assert caught.value.partial == b"ijk"
            await finish(writer)

    run(main())


def test_line_longer_than_the_limit_raises(loop, run):
    async def send(reader, writer):
        writer.write(b"x" * 5000 + b"\n")
        await writer.drain()
        await finish(writer)

    async def main():
        async with serving(send) as address:
            reader, writer = await asyncio.open_connection(*address, limit=1000)
            with pytest.raises(ValueError, match="Separator is"):
                await reader.readline()
            await finish(writer)

    run(main())


def test_reader_that_does_not_read_stops_the_writer(loop, run):
    async def main():
        total = 32 << 20
        sent = 0

        async def send(reader, writer):
            nonlocal sent
            chunk = bytes(1 << 18)
            while sent < total:
                writer.write(chunk)
                await writer.drain()
                sent += len(chunk)
            await finish(writer)

        async with serving(send) as address:
            reader, writer = await asyncio.open_connection(*address)
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.02)  # the kernel's buffers fill; only time tells that nothing moves
            assert 0 < sent < total
            received = 0
            while data := await reader.read(1 << 20):
                received += len(data)
            assert received == total
            await finish(writer)

    run(main())


def test_drain_raises_after_a_reset(loop, run):
    async def main():
        closed = loop.create_future()

        async def leave(reader, writer):
            writer.transport.abort()
            closed.set_result(None)

        async with serving(leave) as address:
            reader, writer = await asyncio.open_connection(*address)
            await closed
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                while True:
                    writer.write(b"x" * 1000)
                    await writer.drain()
            writer.close()
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await writer.wait_closed()

    run(main())


def test_writer_knows_its_transport(loop, run):
    async def main():
        async with serving(echo) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert isinstance(writer.transport, asyncio.Transport)
            assert writer.get_extra_info("peername") == address
            assert writer.can_write_eof()
            assert not writer.is_closing()
            await finish(writer)
            assert writer.is_closing()

    run(main())


def test_hundred_clients_talk_at_once(loop, run):
    async def talk(address, number):
        reader, writer = await asyncio.open_connection(*address)
        data = bytes([number]) * 50_000
        writer.write(data)
        writer.write_eof()
        answer = await reader.read()
        await finish(writer)
        return answer == data

    async def main():
        async with serving(echo) as address:
            assert all(await asyncio.gather(*(talk(address, number) for number in range(100))))

    run(main())


def test_cancelled_read_leaves_the_data_to_the_next(loop, run):
    async def main():
        async with serving(echo) as address:
            reader, writer = await asyncio.open_connection(*address)
            task = loop.create_task(reader.readexactly(5))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            await finish(writer)

    run(main())


def test_failing_handler_is_reported(loop, run, errors):
    async def fail(reader, writer):
        writer.close()
        raise LookupError("handler")

    async def main():
        async with serving(fail) as address:
            reader, writer = await asyncio.open_connection(*address)
            assert await reader.read() == b""
            await finish(writer)

    run(main())
    assert [str(context["exception"]) for context in errors] == ["handler"]


def test_unix_streams_are_echoed(loop, run):
    async def main():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            server = await asyncio.start_unix_server(echo, path)
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            await finish(writer)
            server.close()
            await server.wait_closed()

    run(main())


def test_large_writelines_arrives_whole(loop, run):
    async def main():
        async with serving(echo) as address:
            reader, writer = await asyncio.open_connection(*address)
            pieces = [os.urandom(1000) for _ in range(3000)]  # more than one writev takes
            reading = loop.create_task(reader.readexactly(3_000_000))
            writer.writelines(pieces)
            await writer.drain()
            assert await reading == b"".join(pieces)
            await finish(writer)

    run(main())
