"""The context in which each callback of a connection runs: until 3.15 that of whoever caused it.

test_context.py says what 3.15 does.
"""

import asyncio
import contextlib
import contextvars
import socket

import pytest

pytestmark = pytest.mark.until("3.15")
PLACE = contextvars.ContextVar("place", default="nowhere")


@contextlib.contextmanager
def place(name):
    token = PLACE.set(name)
    try:
        yield
    finally:
        PLACE.reset(token)


class Witness(asyncio.Protocol):
    """Notes the place in which each callback runs, and leaves a mark of its own there."""

    def __init__(self, loop):
        self.made = loop.create_future()
        self.got = loop.create_future()
        self.ended = loop.create_future()
        self.gone = loop.create_future()
        self.places = [("factory", PLACE.get())]

    def note(self, name):
        self.places.append((name, PLACE.get()))
        PLACE.set(f"{PLACE.get()}, {name}")

    def connection_made(self, transport):
        self.transport = transport
        self.note("connection_made")
        self.made.set_result(None)

    def data_received(self, data):
        self.note("data_received")
        if not self.got.done():
            self.got.set_result(data)

    def eof_received(self):
        self.note("eof_received")
        self.ended.set_result(None)
        return True

    def pause_writing(self):
        self.note("pause_writing")

    def resume_writing(self):
        self.note("resume_writing")

    def connection_lost(self, exc):
        self.note("connection_lost")
        self.gone.set_result(None)


@pytest.fixture
def connected(loop, tcp_pair):
    """Connects a Witness, made at "the caller's place", to a socket."""

    async def connected():
        ours, peer = tcp_pair()
        with place("creation"):
            _, witness = await loop.create_connection(lambda: Witness(loop), sock=ours)
        return witness, peer

    return connected


def test_connection_runs_in_the_context_of_its_creation(loop, run, connected):
    async def main():
        witness, peer = await connected()
        for data in (b"first", b"second"):
            witness.got = loop.create_future()
            await loop.sock_sendall(peer, data)
            await witness.got
        peer.shutdown(socket.SHUT_WR)
        await witness.ended
        with place("close"):
            witness.transport.close()
        await witness.gone
        return witness.places

    assert run(main()) == [
        ("factory", "creation"),
        ("connection_made", "creation"),
        ("data_received", "creation"),
        ("data_received", "creation, data_received"),
        ("eof_received", "creation, data_received, data_received"),
        ("connection_lost", "close"),
    ]


def test_reading_after_resume_runs_in_the_context_of_the_resume(loop, run, connected):
    async def main():
        witness, peer = await connected()
        witness.transport.pause_reading()
        with place("resume"):
            witness.transport.resume_reading()
        await loop.sock_sendall(peer, b"data")
        await witness.got
        witness.transport.close()
        await witness.gone
        return witness.places[2]

    assert run(main()) == ("data_received", "resume")


def test_data_that_come_while_paused_are_received_in_the_context_of_the_resume(loop, run, connected):
    async def main():
        witness, peer = await connected()
        witness.transport.pause_reading()
        await loop.sock_sendall(peer, b"data")
        for _ in range(5):
            await asyncio.sleep(0)
        with place("resume"):
            witness.transport.resume_reading()
        await witness.got
        witness.transport.close()
        await witness.gone
        return witness.places[2]

    assert run(main()) == ("data_received", "resume")


def test_connection_lost_by_the_peer_runs_in_the_context_of_reading(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()

        class Closing(Witness):
            def eof_received(self):
                self.note("eof_received")

        with place("creation"):
            _, witness = await loop.create_connection(lambda: Closing(loop), sock=ours)
        peer.close()
        await witness.gone
        return witness.places[2:]

    assert run(main()) == [("eof_received", "creation"), ("connection_lost", "creation, eof_received")]


def test_writer_is_paused_by_the_write_and_resumed_in_the_context_of_the_first_that_waits(
    loop, run, connected
):
    async def main():
        witness, peer = await connected()
        with place("first write"):
            witness.transport.write(b"x" * 16_000_000)  # more than the kernel takes
        with place("second write"):
            witness.transport.write(b"x" * 1_000_000)
        missing = 17_000_000
        while missing:
            missing -= len(await loop.sock_recv(peer, 1 << 20))
        while len(witness.places) < 4:
            await asyncio.sleep(0)
        witness.transport.close()
        await witness.gone
        return witness.places[2:4]

    assert run(main()) == [("pause_writing", "first write"), ("resume_writing", "first write")]


def test_error_of_writing_is_told_in_the_context_of_the_write(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        with place("creation"):
            _, witness = await loop.create_connection(lambda: Witness(loop), sock=ours)
        witness.transport.pause_reading()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()  # a reset
        with place("write"):
            witness.transport.write(b"x")
        await witness.gone
        return witness.places[-1]

    assert run(main()) == ("connection_lost", "write")


def test_accepted_connection_runs_in_the_context_of_the_servers_creation(loop, run):
    async def main():
        witnesses = []

        def factory():
            witnesses.append(Witness(loop))
            return witnesses[-1]

        with place("server"):
            server = await loop.create_server(factory, "127.0.0.1", 0)
        with place("client"):
            for number in (1, 2):
                client = socket.create_connection(server.sockets[0].getsockname())
                while len(witnesses) < number:
                    await asyncio.sleep(0)
                await witnesses[-1].made
                client.send(b"data")
                await witnesses[-1].got
                client.close()
                await witnesses[-1].ended
                with place("close"):
                    witnesses[-1].transport.close()
                await witnesses[-1].gone
        server.close()
        await server.wait_closed()
        return [witness.places for witness in witnesses]

    assert run(main()) == 2 * [
        [
            ("factory", "server"),
            ("connection_made", "server"),
            ("data_received", "server"),
            ("eof_received", "server, data_received"),
            ("connection_lost", "close"),
        ]
    ]


def test_buffered_protocol_reads_in_the_context_of_its_creation(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        places = []
        gone = loop.create_future()

        class Buffered(asyncio.BufferedProtocol):
            def get_buffer(self, hint):
                places.append(("get_buffer", PLACE.get()))
                PLACE.set("get_buffer")
                return bytearray(100)

            def buffer_updated(self, size):
                places.append(("buffer_updated", PLACE.get()))

            def connection_lost(self, exc):
                gone.set_result(None)

        with place("creation"):
            await loop.create_connection(Buffered, sock=ours)
        await loop.sock_sendall(peer, b"data")
        while len(places) < 2:
            await asyncio.sleep(0)
        peer.close()
        await gone
        return places[:2]

    assert run(main()) == [("get_buffer", "creation"), ("buffer_updated", "get_buffer")]


def test_watched_descriptor_and_timer_run_in_the_context_of_their_caller(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        seen = []
        with place("add_reader"):
            loop.add_reader(ours, lambda: seen.append(PLACE.get()))
        with place("add_writer"):
            loop.add_writer(peer, lambda: seen.append(PLACE.get()))
        with place("call_later"):
            loop.call_later(0, lambda: seen.append(PLACE.get()))
        peer.send(b"x")
        while len(set(seen)) < 3:
            await asyncio.sleep(0)
        loop.remove_reader(ours)
        loop.remove_writer(peer)
        return set(seen)

    assert run(main()) == {"add_reader", "add_writer", "call_later"}


def test_signal_handler_runs_in_the_context_of_its_caller(loop, run):
    import signal

    async def main():
        seen = loop.create_future()
        with place("add_signal_handler"):
            loop.add_signal_handler(signal.SIGUSR1, lambda: seen.set_result(PLACE.get()))
        signal.raise_signal(signal.SIGUSR1)
        try:
            return await seen
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)

    assert run(main()) == "add_signal_handler"
