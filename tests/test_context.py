"""Which context the callbacks of a connection run in: from 3.15 on one and the same."""

import asyncio
import contextvars
import socket

import pytest

from protocols import fill, turns

pytestmark = pytest.mark.since("3.15")

SEEN = contextvars.ContextVar("SEEN", default=())
WHO = contextvars.ContextVar("WHO", default="nobody")


class Noting(asyncio.Protocol):
    """Adds the name of each callback to SEEN, so that the last one tells which contexts were one."""

    def __init__(self):
        self.done = asyncio.get_running_loop().create_future()

    def note(self, name):
        SEEN.set((*SEEN.get(), name))

    def connection_made(self, transport):
        self.transport = transport
        self.note("made")

    def data_received(self, data):
        self.note("data")

    def eof_received(self):
        self.note("eof")

    def resume_writing(self):
        self.note("resumed")

    def connection_lost(self, exc):
        self.note("lost")
        self.done.set_result((WHO.get(), *SEEN.get()))


class NotingBuffered(Noting, asyncio.BufferedProtocol):
    data_received = None

    def get_buffer(self, sizehint):
        return bytearray(8)

    def buffer_updated(self, nbytes):
        self.note("data")


class Wrapped(socket.socket):
    """A socket with methods of its own, which asyncio's transports serve."""

    def recv(self, *args):
        return super().recv(*args)

    def accept(self):
        sock, address = super().accept()
        return Wrapped(fileno=sock.detach()), address


@pytest.mark.parametrize("socket_class", [socket.socket, Wrapped])
@pytest.mark.parametrize("protocol_class", [Noting, NotingBuffered])
def test_client_has_one_context_a_copy_of_its_makers(loop, run, tcp_pair, protocol_class, socket_class):
    async def main():
        ours, peer = tcp_pair()
        sock = socket_class(fileno=ours.detach())
        sock.setblocking(False)
        WHO.set("maker")
        transport, protocol = await loop.create_connection(protocol_class, sock=sock)
        WHO.set("later")
        await loop.sock_sendall(peer, b"data")
        peer.shutdown(1)
        assert await protocol.done == ("maker", "made", "data", "eof", "lost")
        assert SEEN.get() == ()

    run(main())


def test_close_and_abort_in_another_context_change_nothing(loop, run, tcp_pair):
    async def main():
        for end in ("close", "abort"):
            ours, _ = tcp_pair()
            WHO.set("maker")
            transport, protocol = await loop.create_connection(Noting, sock=ours)
            WHO.set("later")
            getattr(transport, end)()
            assert await protocol.done == ("maker", "made", "lost")

    run(main())


def test_resume_writing_runs_in_the_context_of_the_connection(loop, run, tcp_pair):
    class Filled(Noting):
        paused = False

        def pause_writing(self):
            self.paused = True

    async def main():
        ours, peer = tcp_pair()
        WHO.set("maker")
        transport, protocol = await loop.create_connection(Filled, sock=ours)
        WHO.set("writer")
        written = await fill(transport, protocol)
        left = len(written)
        while left:
            left -= len(await loop.sock_recv(peer, 1 << 20))
        transport.close()
        assert await protocol.done == ("maker", "made", "resumed", "lost")

    run(main())


def test_data_and_eof_held_while_paused_come_in_the_same_context(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Noting, sock=ours)
        await loop.sock_sendall(peer, b"data")
        peer.close()
        transport.pause_reading()
        await turns(3)
        WHO.set("resumer")
        transport.resume_reading()
        assert await protocol.done == ("nobody", "made", "data", "eof", "lost")

    run(main())


@pytest.mark.parametrize("socket_class", [socket.socket, Wrapped])
def test_each_connection_of_a_server_has_a_copy_of_the_context_that_made_it(loop, run, socket_class):
    protocols = asyncio.Queue()

    def factory():
        SEEN.set(("factory",))
        protocol = Noting()
        protocols.put_nowait(protocol)
        return protocol

    async def main():
        sock = socket_class()
        sock.bind(("127.0.0.1", 0))
        WHO.set("maker")
        server = await loop.create_server(factory, sock=sock, start_serving=False)
        WHO.set("starter")
        await server.start_serving()
        address = server.sockets[0].getsockname()
        for _ in range(2):
            _, writer = await asyncio.open_connection(*address)
            writer.write(b"data")
            writer.write_eof()
            protocol = await protocols.get()
            assert await protocol.done == ("maker", "factory", "made", "data", "eof", "lost")
            writer.close()
        assert SEEN.get() == ()
        server.close()
        await server.wait_closed()

    run(main())
