"""All callbacks of a connection run in one context, a copy of its maker's: who pauses, writes or closes changes nothing.

asyncio has it so from 3.15 on, and for sockets only; pause_writing() is a part of write() everywhere.
"""

import asyncio
import contextvars
import socket
import struct

import pytest

from protocols import DatagramRecorder, Recorder, fill, turns

SEEN = contextvars.ContextVar("SEEN", default=())
WHO = contextvars.ContextVar("WHO", default="nobody")


class Noting(Recorder):
    """Adds the name of each callback to SEEN, so that the last one tells which contexts were one."""

    def _record(self, name):
        if name != "pause_writing":
            SEEN.set((*SEEN.get(), name))
        self.seen = (WHO.get(), *SEEN.get())
        super()._record(name)

    async def ended(self):
        await self.lost()
        return self.seen


class NotingBuffered(Noting, asyncio.BufferedProtocol):
    data_received = None

    def get_buffer(self, sizehint):
        self.buffer = bytearray(8)
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]
        self._record("data_received")


class NotingDatagrams(Noting, DatagramRecorder):
    pass


class Wrapped(socket.socket):
    """A socket with methods of its own, which asyncio's transports serve."""

    def recv(self, *args):
        return super().recv(*args)

    def accept(self):
        sock, address = super().accept()
        return Wrapped(fileno=sock.detach()), address


CALLBACKS = ("connection_made", "data_received", "eof_received", "connection_lost")


async def connected(loop, sock, factory=Noting):
    """Connects a protocol whose maker is "maker", and leaves WHO as "later"."""
    WHO.set("maker")
    made = await loop.create_connection(factory, sock=sock)
    WHO.set("later")
    return made


@pytest.mark.parametrize("factory", [Noting, NotingBuffered])
def test_client_has_one_context_a_copy_of_its_makers(loop, run, tcp_pair, factory):
    async def main():
        ours, peer = tcp_pair()
        _, protocol = await connected(loop, ours, factory)
        await loop.sock_sendall(peer, b"data")
        peer.shutdown(socket.SHUT_WR)
        assert SEEN.get() == ()
        return await protocol.ended()

    assert run(main()) == ("maker", *CALLBACKS)


@pytest.mark.since("3.15")
def test_client_around_a_socket_with_methods_of_its_own_has_one_context(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        sock = Wrapped(fileno=ours.detach())
        sock.setblocking(False)
        _, protocol = await connected(loop, sock)
        await loop.sock_sendall(peer, b"data")
        peer.shutdown(socket.SHUT_WR)
        return await protocol.ended()

    assert run(main()) == ("maker", *CALLBACKS)


@pytest.mark.parametrize("end", ["close", "abort"])
def test_close_in_another_context_changes_nothing(loop, run, tcp_pair, end):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await connected(loop, ours)
        getattr(transport, end)()
        return await protocol.ended()

    assert run(main()) == ("maker", "connection_made", "connection_lost")


def test_resume_writing_runs_in_the_context_of_the_connection(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connected(loop, ours)
        left = len(await fill(transport, protocol))
        assert protocol.seen[0] == "later"  # pause_writing
        while left:
            left -= len(await loop.sock_recv(peer, 1 << 20))
        transport.close()
        return await protocol.ended()

    assert run(main()) == ("maker", "connection_made", "resume_writing", "connection_lost")


@pytest.mark.parametrize("factory", [Noting, NotingBuffered])
@pytest.mark.parametrize("when", ["before the resume", "after the resume"])
def test_reading_that_a_task_resumes_stays_in_the_context_of_the_connection(
    loop, run, tcp_pair, factory, when
):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connected(loop, ours, factory)
        transport.pause_reading()
        await turns(2)
        if when == "before the resume":
            await loop.sock_sendall(peer, b"data")
            peer.close()
            await turns(3)
        transport.resume_reading()
        if when == "after the resume":
            await loop.sock_sendall(peer, b"data")
            peer.close()
        return await protocol.ended()

    assert run(main()) == ("maker", *CALLBACKS)


def test_error_of_writing_is_told_in_the_context_of_the_connection(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connected(loop, ours)
        transport.pause_reading()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # a reset
        transport.write(b"x")
        return await protocol.ended()

    assert run(main()) == ("maker", "connection_made", "connection_lost")


async def accepted(loop, server, protocols):
    """What two connections have seen, one after the other, and what is seen beside them."""
    address = server.sockets[0].getsockname()
    seen = []
    for _ in range(2):
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"data")
        writer.write_eof()
        protocol = await protocols.get()
        seen.append(await protocol.ended())
        writer.close()
    server.close()
    await server.wait_closed()
    return [*seen, SEEN.get()]


def noting(protocols):
    def factory():
        SEEN.set(("factory",))
        protocols.put_nowait(protocol := Noting())
        return protocol

    return factory


def test_each_connection_of_a_server_has_a_copy_of_its_context(loop, run):
    async def main():
        protocols = asyncio.Queue()
        WHO.set("maker")
        server = await loop.create_server(noting(protocols), "127.0.0.1", 0)
        WHO.set("later")
        return await accepted(loop, server, protocols)

    assert run(main()) == 2 * [("maker", "factory", *CALLBACKS)] + [()]


@pytest.mark.since("3.15")
@pytest.mark.parametrize("socket_class", [socket.socket, Wrapped])
def test_server_has_the_context_that_made_it_and_not_the_one_that_started_it(loop, run, socket_class):
    async def main():
        protocols = asyncio.Queue()
        sock = socket_class()
        sock.bind(("127.0.0.1", 0))
        WHO.set("maker")
        server = await loop.create_server(noting(protocols), sock=sock, start_serving=False)
        WHO.set("starter")
        await server.start_serving()
        return await accepted(loop, server, protocols)

    assert run(main()) == 2 * [("maker", "factory", *CALLBACKS)] + [()]


@pytest.mark.parametrize("when", ["before the resume", "after the resume"])
def test_tls_that_a_task_resumes_stays_in_the_context_of_the_connection(
    loop, run, serve_tls, client_context, when
):
    async def main():
        protocols = asyncio.Queue()
        WHO.set("maker")
        server, port = await serve_tls(noting(protocols))
        WHO.set("later")
        writer, _ = await loop.create_connection(
            Recorder, "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        protocol = await protocols.get()
        await protocol.called("connection_made")
        protocol.transport.pause_reading()
        if when == "before the resume":
            writer.write(b"data")
            await turns(5)
        protocol.transport.resume_reading()
        if when == "after the resume":
            writer.write(b"data")
        await protocol.received(4)
        seen = [protocol.seen[0]]
        writer.close()
        seen.append((await protocol.ended())[0])
        protocol.transport.close()
        server.close()
        await server.wait_closed()
        return seen

    assert run(main()) == ["maker", "maker"]


def test_datagrams_come_in_the_context_of_the_endpoint(loop, run, endpoint, peer):
    async def main():
        WHO.set("maker")
        transport, protocol = await endpoint(NotingDatagrams)
        WHO.set("later")
        await loop.sock_connect(peer, transport.get_extra_info("sockname"))
        peer.send(b"one")
        await protocol.arrived(1)
        transport.pause_reading()
        peer.send(b"two")
        await turns(2)
        transport.resume_reading()
        await protocol.arrived(2)
        transport.close()
        return await protocol.ended()

    names = ("connection_made", "datagram_received", "datagram_received", "connection_lost")
    assert run(main()) == ("maker", *names)


def test_reading_end_of_a_pipe_has_one_context(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        WHO.set("maker")
        transport, protocol = await loop.connect_read_pipe(Noting, reader)
        WHO.set("later")
        transport.pause_reading()
        await turns(2)
        writer.write(b"x")
        writer.close()
        transport.resume_reading()
        return await protocol.ended()

    assert run(main()) == ("maker", *CALLBACKS)


@pytest.mark.parametrize("end", ["its reader goes", "a write fails", "it is closed while full"])
def test_writing_end_of_a_pipe_has_one_context(loop, run, pipe, end):
    async def main():
        reader, writer = pipe()
        WHO.set("maker")
        transport, protocol = await loop.connect_write_pipe(Noting, writer)
        WHO.set("later")
        if end == "it is closed while full":
            await fill(transport, protocol)
            transport.close()
            _, drain = await loop.connect_read_pipe(Recorder, reader)
            await drain.lost()
        else:
            reader.close()
            if end == "a write fails":
                transport.write(b"x")
        return await protocol.ended()

    between = ("resume_writing",) if end == "it is closed while full" else ()
    assert run(main()) == ("maker", "connection_made", *between, "connection_lost")


def test_terminal_whose_other_side_goes_has_one_context(loop, run, terminal):
    async def main():
        master, slave = terminal()
        WHO.set("maker")
        _, protocol = await loop.connect_read_pipe(Noting, master)
        WHO.set("later")
        slave.close()
        return await protocol.ended()

    assert run(main()) == ("maker", "connection_made", "connection_lost")
