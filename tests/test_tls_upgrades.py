"""start_tls when the peer was quicker: what was received in the clear and not read belongs to the handshake."""

import asyncio
import contextlib
import ssl

import pytest

from protocols import Recorder, turns


class Peer:
    """TLS in memory over a plain connection."""

    def __init__(self, reader, writer, context, server_side=False):
        self.reader, self.writer = reader, writer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hostname = None if server_side else "localhost"
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, hostname)

    def hello(self):
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    async def do(self, method, *args):
        while True:
            try:
                result = method(*args)
            except ssl.SSLWantReadError:
                self.send()
                received = await self.reader.read(1 << 16)
                if not received:
                    raise ConnectionError("closed") from None
                self.incoming.write(received)
            else:
                self.send()
                return result

    def send(self):
        if self.outgoing.pending:
            self.writer.write(self.outgoing.read())


@contextlib.asynccontextmanager
async def serving(serve, context):
    """A server of streams, and a peer that is connected to it."""
    writers, waiting = [], []

    async def served(reader, writer):
        writers.append(writer)
        waiting.append(asyncio.current_task())
        await serve(reader, writer)

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writers.append(writer)
    try:
        yield Peer(reader, writer, context)
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()
        await asyncio.wait([*waiting, asyncio.create_task(turns(5))])


@pytest.mark.since("3.11")
@pytest.mark.parametrize("pieces", ["one segment", "two segments", "a part of the hello"])
def test_hello_that_came_with_the_line_before_it_begins_the_handshake(
    loop, run, server_context, client_context, pieces
):
    async def serve(reader, writer):
        assert await reader.readline() == b"PROXY\r\n"
        await turns(5)
        await writer.start_tls(server_context)
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        async with serving(serve, client_context) as peer:
            hello = peer.hello()
            if pieces == "one segment":
                peer.writer.write(b"PROXY\r\n" + hello)
            elif pieces == "two segments":
                peer.writer.write(b"PROXY\r\n")
                await turns(3)
                peer.writer.write(hello)
            else:
                peer.writer.write(b"PROXY\r\n" + hello[:100])
                await turns(10)
                peer.writer.write(hello[100:])
            await peer.do(peer.tls.do_handshake)
            peer.tls.write(b"hello\n")
            return await peer.do(peer.tls.read, 100)

    assert run(main(), limit=3) == b"hello\n"


def test_hello_in_the_reader_begins_the_handshake_of_the_loops_start_tls(
    loop, run, server_context, client_context
):
    served = []

    async def serve(reader, writer):
        await reader.readline()
        await turns(5)
        protocol = writer.transport.get_protocol()
        transport = await loop.start_tls(writer.transport, protocol, server_context, server_side=True)
        served.append(await reader.readline())
        transport.close()
        writer.close()

    async def main():
        async with serving(serve, client_context) as peer:
            peer.writer.write(b"PROXY\r\n" + peer.hello())
            await peer.do(peer.tls.do_handshake)
            peer.tls.write(b"hello\n")
            peer.send()
            while not served:
                await turns(1)
        assert served == [b"hello\n"]

    run(main(), limit=3)


def test_hello_that_came_while_reading_was_paused_begins_the_handshake(
    loop, run, server_context, client_context
):
    class Upgrading(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    protocols = asyncio.Queue()

    def factory():
        protocols.put_nowait(protocol := Upgrading())
        return protocol

    async def main():
        server = await loop.create_server(factory, "127.0.0.1", 0)
        peer = Peer(*await asyncio.open_connection(*server.sockets[0].getsockname()), client_context)
        peer.writer.write(b"STARTTLS\r\n")
        protocol = await protocols.get()
        await protocol.received(10)
        peer.writer.write(peer.hello())
        await turns(5)
        upgraded = Recorder()
        transport, _ = await asyncio.gather(
            loop.start_tls(protocol.transport, upgraded, server_context, server_side=True),
            peer.do(peer.tls.do_handshake),
        )
        peer.tls.write(b"hello")
        peer.send()
        assert await upgraded.received(5) == b"hello"
        transport.close()
        peer.writer.close()
        await upgraded.lost()
        server.close()

    run(main())


@pytest.mark.since("3.11")
def test_commands_in_the_clear_are_not_read_after_the_upgrade(
    loop, run, server_context, client_context, errors
):
    """Of who writes between the line that asks for TLS and the ClientHello."""
    read = []

    async def serve(reader, writer):
        await reader.readline()
        await turns(5)
        try:
            await writer.start_tls(server_context)
            read.append(type(await reader.readline()))
        except (ssl.SSLError, ConnectionError) as exc:
            read.append(type(exc))

    async def main():
        async with serving(serve, client_context) as peer:
            peer.writer.write(b"STARTTLS\r\nDELETE everything\r\n")
            await turns(10)
            peer.writer.write(peer.hello())
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                await peer.do(peer.tls.do_handshake)
            while not read:
                await turns(1)
        assert issubclass(read[0], OSError)

    run(main(), limit=3)


@pytest.mark.since("3.11")
def test_answers_in_the_clear_are_not_read_after_the_upgrade(
    loop, run, server_context, client_context, errors
):
    """The same for a client."""

    async def serve(reader, writer):
        writer.write(b"220 go ahead\r\n250 forged\r\n")
        peer = Peer(reader, writer, server_context, server_side=True)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await peer.do(peer.tls.do_handshake)
            peer.tls.write(b"250 real\r\n")
            peer.send()

    async def main():
        async with serving(serve, client_context) as peer:
            assert await peer.reader.readline() == b"220 go ahead\r\n"
            await turns(3)
            try:
                await peer.writer.start_tls(client_context, server_hostname="localhost")
                return await peer.reader.readline()
            except ssl.SSLError as exc:
                return type(exc)

    assert run(main(), limit=3) is ssl.SSLError
