"""loop.sendfile over a transport, and sock_sendfile."""

import asyncio
import errno
import inspect
import io
import os
import socket
import ssl
import tempfile
from asyncio.unix_events import _UnixSelectorEventLoop as UnixLoop

import pytest

from certificates import Authority
from protocols import Recorder, reset, turns

DATA = os.urandom(3 << 20)
# Whether this asyncio moves the file's position also when sendfile(2) sent nothing, as 3.14 does.
ALWAYS_MOVES = len(inspect.signature(UnixLoop._sock_sendfile_update_filepos).parameters) == 3


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


def test_second_sendfile_of_a_transport_leaves_the_first_alone(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        sending = loop.create_task(loop.sendfile(transport, file))
        await turns(3)
        with pytest.raises((RuntimeError, KeyError)):
            await loop.sendfile(transport, file)
        with pytest.raises(RuntimeError, match="^unable to write; sendfile is in progress$"):
            transport.write(b"in between")
        reading = loop.create_task(read_to_end(loop, peer))
        assert await sending == len(DATA)
        assert transport.is_reading()
        transport.close()
        assert await reading == DATA
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


@pytest.mark.parametrize("how", ["close", "abort"])
def test_sendfile_of_a_transport_that_closes_fails(loop, run, tcp_pair, file, how):
    async def main():
        ours, peer = tcp_pair()
        file.truncate(64 << 20)
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        sending = loop.create_task(loop.sendfile(transport, file))
        await turns(5)
        getattr(transport, how)()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(sending, 3)
        assert await protocol.lost() is None
        received = await read_to_end(loop, peer)
        assert len(received) == file.tell() < 64 << 20

    run(main())


def test_sendfile_that_waits_for_the_buffer_fails_with_the_connection(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(bytes(8 << 20))
        sending = loop.create_task(loop.sendfile(transport, file))
        await turns(3)
        transport.abort()
        with pytest.raises(ConnectionError, match="^Connection is closed by peer$"):
            await sending
        assert await protocol.lost() is None
        assert file.tell() == 0

    run(main())


def test_sendfile_fails_when_the_peer_resets(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        file.truncate(64 << 20)
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        sending = loop.create_task(loop.sendfile(transport, file))
        await turns(5)
        reset(peer)
        with pytest.raises(ConnectionError):
            await sending
        transport.close()
        await protocol.lost()

    run(main())


def test_cancelled_sendfile_leaves_a_transport_that_can_write(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        file.truncate(64 << 20)
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        sending = loop.create_task(loop.sendfile(transport, file))
        await turns(5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert transport.is_reading()
        transport.write(b"after")
        transport.close()
        received = await read_to_end(loop, peer)
        assert received.endswith(b"after") and received.startswith(DATA[: len(received) - 5])
        await protocol.lost()

    run(main())


def test_two_sendfiles_of_one_transport_are_refused(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        file.truncate(64 << 20)
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        first = loop.create_task(loop.sendfile(transport, file))
        await turns(5)
        with pytest.raises((RuntimeError, KeyError)):
            await loop.sendfile(transport, file)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        transport.abort()
        await protocol.lost()

    run(main())


# asyncio.sslproto of 3.10 does not mark a transport closed that its peer has closed.
@pytest.mark.filterwarnings("ignore:unclosed transport <asyncio.sslproto:ResourceWarning")
@pytest.mark.parametrize("memory", [False, True], ids=["file", "memory"])
def test_sendfile_over_tls_falls_back(loop, run, file, memory):
    authority = Authority()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)

    async def main():
        accepted = loop.create_future()

        class Server(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                accepted.set_result(self)

        server = await loop.create_server(Server, "127.0.0.1", 0, ssl=ours)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, *address, ssl=theirs)
        with pytest.raises(RuntimeError, match="^fallback is disabled and native sendfile is not supported"):
            await loop.sendfile(transport, file, fallback=False)
        source = io.BytesIO(DATA) if memory else file
        assert await loop.sendfile(transport, source, 1000) == len(DATA) - 1000
        assert source.tell() == len(DATA)
        receiver = await accepted
        assert await receiver.received(len(DATA) - 1000) == DATA[1000:]
        transport.close()
        await asyncio.gather(protocol.lost(), receiver.lost())
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, None), (1000, None), (1000, 500_000), (1000, len(DATA)), (len(DATA) + 7, None), (0, 1)],
)
def test_sock_sendfile_sends_a_part_and_moves_the_position(loop, run, tcp_pair, file, offset, count):
    async def main():
        ours, peer = tcp_pair()
        expected = DATA[offset:] if count is None else DATA[offset : offset + count]
        reading = loop.create_task(read_to_end(loop, peer))
        assert await loop.sock_sendfile(ours, file, offset, count, fallback=False) == len(expected)
        ours.close()
        assert await reading == expected
        assert file.tell() == (offset + len(expected) if expected or ALWAYS_MOVES else 0)

    run(main())


def test_sock_sendfile_of_an_empty_file_sends_nothing(loop, run, tcp_pair, file):
    file.truncate(0)
    assert run(loop.sock_sendfile(tcp_pair()[0], file, fallback=False)) == 0


def test_sock_sendfile_that_is_cancelled_tells_how_far_it_came(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        file.truncate(64 << 20)
        sending = loop.create_task(loop.sock_sendfile(ours, file))
        received = bytearray()
        while len(received) < 1 << 20:
            received += await loop.sock_recv(peer, 1 << 20)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert loop.remove_writer(ours) is False
        ours.close()
        received += await read_to_end(loop, peer)
        assert file.tell() == len(received) < 64 << 20
        assert received.startswith(DATA)

    run(main())


@pytest.mark.parametrize("kind", ["memory", "pipe"])
def test_sock_sendfile_without_fallback_is_refused_for_what_is_no_file(loop, run, tcp_pair, kind):
    async def main():
        ours, _ = tcp_pair()
        reader, writer = os.pipe()
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            source = io.BytesIO(b"x") if kind == "memory" else pipe
            if kind == "memory":
                with pytest.raises(asyncio.SendfileNotAvailableError, match="^not a regular file$"):
                    await loop.sock_sendfile(ours, source, fallback=False)
            else:  # an empty file, as far as fstat tells
                assert await loop.sock_sendfile(ours, source, fallback=False) == 0
                with pytest.raises((asyncio.SendfileNotAvailableError, OSError)) as refused:
                    await loop.sock_sendfile(ours, source, 0, 10, fallback=False)
                if ALWAYS_MOVES:  # but a pipe has no position
                    assert refused.value.errno == errno.ESPIPE
                else:
                    assert str(refused.value) == "os.sendfile call failed"

    run(main())


def test_sock_sendfile_falls_back_for_a_file_in_memory(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        source = io.BytesIO(DATA)
        reading = loop.create_task(read_to_end(loop, peer))
        assert await loop.sock_sendfile(ours, source, 1000, 500_000) == 500_000
        assert source.tell() == 501_000
        ours.close()
        assert await reading == DATA[1000:501_000]

    run(main())


def test_sock_sendfile_lets_the_loop_take_turns(loop, run, tcp_pair, file):
    async def main():
        ours, peer = tcp_pair()
        file.truncate(64 << 20)
        sending = loop.create_task(loop.sock_sendfile(ours, file))
        taken = 0
        while not sending.done():
            try:
                while peer.recv(1 << 20):
                    pass
            except BlockingIOError:
                pass
            taken += 1
            await turns(1)
        assert await sending == 64 << 20
        assert taken > 3

    run(main())


def test_sock_sendfile_that_fails_at_once_has_moved_the_position_if_asyncio_does(loop, run, tcp_pair, file):
    async def main():
        ours, _ = tcp_pair()
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(asyncio.SendfileNotAvailableError, match="^os.sendfile call failed$"):
            await loop.sock_sendfile(ours, file, 1000, fallback=False)
        assert file.tell() == (1000 if ALWAYS_MOVES else 0)

    run(main())


class Reading:
    """A file without a position."""

    def __init__(self, data):
        self.left = data

    def readinto(self, buffer):
        n = min(len(buffer), len(self.left))
        buffer[:n], self.left = self.left[:n], self.left[n:]
        return n


@pytest.fixture
def served(loop, serve_tls, client_context):
    """Connects to a new server: the transport, and what the server is to receive."""

    async def served(tls):
        protocols = asyncio.Queue()

        def factory():
            protocols.put_nowait(protocol := Recorder())
            return protocol

        options = {}
        if tls:
            server, port = await serve_tls(factory)
            options = {"ssl": client_context, "server_hostname": "localhost"}
        else:
            server = await loop.create_server(factory, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port, **options)
        server.close()
        return transport, await protocols.get()

    return served


@pytest.mark.parametrize("count", [None, 600_000])
@pytest.mark.parametrize("tls, in_memory", [(False, False), (False, True), (True, False)])
def test_sendfile_begins_at_its_offset_wherever_the_file_stands(
    loop, run, served, file, count, tls, in_memory
):
    """Also at 0, and where the system call does not serve."""

    async def main():
        source = io.BytesIO(DATA) if in_memory else file
        source.seek(500_000)
        transport, receiver = await served(tls)
        assert await loop.sendfile(transport, source, 0, count) == len(DATA[:count])
        assert source.tell() == len(DATA[:count])
        transport.close()
        await receiver.lost()
        receiver.transport.close()
        assert receiver.data == DATA[:count]

    run(main())


def test_sock_sendfile_of_a_file_in_memory_begins_at_its_offset(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        reading = loop.create_task(read_to_end(loop, peer))
        source = io.BytesIO(DATA)
        source.seek(500_000)
        assert await loop.sock_sendfile(ours, source, 0, 600_000) == 600_000
        ours.close()
        assert await reading == DATA[:600_000]

    run(main())


def test_file_without_a_position_is_sent_from_where_it_stands(loop, run, served):
    async def main():
        transport, receiver = await served(tls=False)
        assert await loop.sendfile(transport, Reading(DATA)) == len(DATA)
        transport.close()
        await receiver.lost()
        assert receiver.data == DATA

    run(main())
