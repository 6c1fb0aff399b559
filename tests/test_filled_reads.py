"""Streams that fill their reads: a loop may read such a one several times in a turn, and what a callback did counts at once."""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
import time

import pytest

from protocols import BufferedRecorder, Recorder, turns

READ = 1 << 18  # what a loop reads at most at once
PATTERN = bytes(range(251)) * (12 * READ // 251)  # a loss or a repeat is seen
MOST = 4  # reads in a row

PROTOCOLS = pytest.mark.parametrize("kind", ["protocol", "buffered"])
PIECES = pytest.mark.parametrize(
    "number", range(2, 2 * MOST + 2)
)  # of the first, no loop knows what to expect


def sink(kind, act, **options):
    """A protocol that calls act(protocol, number) with each piece, and counts them."""

    class Acts:
        pieces = 0

        def _record(self, name):
            if name in ("data_received", "buffer_updated"):
                self.pieces += 1
                act(self, self.pieces)
            super()._record(name)

    base = Recorder if kind == "protocol" else BufferedRecorder
    if kind == "buffered":
        options["size"] = READ
    return type("Sink", (Acts, base), {})(**options)


@contextlib.asynccontextmanager
async def flooded(loop, tcp_pair, protocol):
    """A transport of protocol, for which a peer sends PATTERN and the end; much of it is there before."""
    ours, peer = tcp_pair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    sent = peer.send(PATTERN)

    async def send():
        await loop.sock_sendall(peer, memoryview(PATTERN)[sent:])
        peer.shutdown(socket.SHUT_WR)

    sending = loop.create_task(send())
    transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
    yield transport
    transport.abort()
    peer.close()
    await asyncio.gather(sending, return_exceptions=True)


async def until_lost(loop, tcp_pair, protocol):
    """All of PATTERN, and the clean end of its connection."""
    async with flooded(loop, tcp_pair, protocol):
        assert await protocol.lost() is None


@PROTOCOLS
def test_all_arrives(loop, run, tcp_pair, kind):
    async def main():
        protocol = sink(kind, lambda *_: None)
        async with flooded(loop, tcp_pair, protocol):
            assert await protocol.lost() is None
        assert protocol.data == PATTERN
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]

    run(main())


@PROTOCOLS
@PIECES
def test_a_pause_ends_them_at_once(loop, run, tcp_pair, kind, number):
    def act(protocol, piece):
        if piece == number:
            protocol.transport.pause_reading()
            paused.set_result(None)

    async def main():
        protocol = sink(kind, act)
        async with flooded(loop, tcp_pair, protocol) as transport:
            await paused
            await turns(5)
            assert protocol.pieces == number
            transport.resume_reading()
            assert await protocol.lost() is None
        assert protocol.data == PATTERN

    paused = loop.create_future()
    run(main())


@PROTOCOLS
@PIECES
@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_close_ends_them_at_once(loop, run, tcp_pair, kind, number, how):
    def act(protocol, piece):
        if piece == number:
            getattr(protocol.transport, how)()

    async def main():
        protocol = sink(kind, act)
        async with flooded(loop, tcp_pair, protocol):
            assert await protocol.lost() is None
        assert protocol.pieces == number
        assert PATTERN.startswith(protocol.data)

    run(main())


@pytest.mark.parametrize("kind, other", [("protocol", "buffered"), ("buffered", "protocol")])
@PIECES
def test_the_next_protocol_has_the_rest(loop, run, tcp_pair, kind, other, number):
    def act(protocol, piece):
        if piece == number:
            protocol.transport.set_protocol(heir)

    async def main():
        protocol = sink(kind, act)
        async with flooded(loop, tcp_pair, protocol):
            assert await heir.lost() is None
        assert protocol.pieces == number
        assert protocol.data + heir.data == PATTERN

    heir = sink(other, lambda *_: None)
    run(main())


@PROTOCOLS
@PIECES
def test_an_error_ends_them_at_once(loop, run, tcp_pair, errors, kind, number):
    fault = ValueError("of the protocol")

    def act(protocol, piece):
        if piece == number:
            raise fault

    async def main():
        protocol = sink(kind, act)
        async with flooded(loop, tcp_pair, protocol):
            assert await protocol.lost() is fault
        assert protocol.pieces == number

    run(main())
    assert [context["exception"] for context in errors] == [fault]


@PROTOCOLS
@PIECES
def test_an_exit_loses_nothing(loop, run, tcp_pair, kind, number):
    def act(protocol, piece):
        if piece == number:
            raise SystemExit

    protocol = sink(kind, act)
    task = loop.create_task(until_lost(loop, tcp_pair, protocol))
    with pytest.raises(SystemExit):
        run(task)
    assert protocol.pieces == number
    run(task)
    assert protocol.data == PATTERN


@PIECES
def test_a_stopped_loop_reads_no_more(loop, run, tcp_pair, number):
    def act(protocol, piece):
        if piece == number:
            loop.stop()

    protocol = sink("protocol", act)
    task = loop.create_task(until_lost(loop, tcp_pair, protocol))
    loop.run_forever()
    assert protocol.pieces == number
    run(task)
    assert protocol.data == PATTERN


@PIECES
def test_a_forked_child_that_stops_leaves_the_loop(loop, run, tcp_pair, number):
    def act(protocol, piece):
        if piece == number:
            children.append(os.fork())
            loop.stop()

    children = []
    protocol = sink("protocol", act)
    task = loop.create_task(until_lost(loop, tcp_pair, protocol))
    code = 1
    try:
        loop.run_forever()
        code = 0
    finally:
        if children == [0]:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
    run(task)
    assert protocol.data == PATTERN


@PIECES
def test_the_next_owner_of_the_number_keeps_its_bytes(loop, run, tcp_pair, errors, number):
    """The program closes the socket under its transport, whose number is another socket's at once."""

    def act(protocol, piece):
        if piece == number:
            fd = protocol.transport.get_extra_info("socket").fileno()
            ours.close()
            heirs.append(other.dup())
            assert heirs[0].fileno() == fd
            loop.call_soon(protocol.transport.abort)

    async def main():
        other_peer.send(b"of the heir")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sending = loop.create_task(loop.sock_sendall(peer, PATTERN))
        await loop.create_connection(lambda: protocol, sock=ours)
        await protocol.lost()
        sending.cancel()
        assert protocol.pieces == number
        assert await loop.sock_recv(other, 100) == b"of the heir"

    heirs = []
    ours, peer = tcp_pair()
    other, other_peer = tcp_pair()
    protocol = sink("protocol", act)
    run(main())
    for heir in heirs:
        heir.close()


def test_a_socket_that_another_process_made_blocking(loop, run, tcp_pair):
    """As a child does whose standard input it is: the file's flags are shared."""

    async def main():
        ours, peer = tcp_pair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        protocol = sink("protocol", lambda *_: None)
        transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
        with ours.dup() as shared:
            shared.setblocking(True)
            for sent in range(1, 6):  # from the second on, the one read is filled and finds no more
                transport.pause_reading()
                await loop.sock_sendall(peer, PATTERN[:READ])
                while unread(shared) < READ:
                    await asyncio.sleep(0)
                transport.resume_reading()
                await protocol.received(sent * READ)
            shared.setblocking(False)
        transport.abort()
        await protocol.lost()

    run(main(), 5)


def unread(sock):
    """How many bytes a socket has."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, bytes(4)))[0]


def longest_wait(loop, run, tcp_pair, kind, work):
    """How many pieces come before what the first of them has scheduled."""
    waits = []

    def act(protocol, piece):
        work()
        if piece == 2 or waits:
            loop.call_soon(lambda: waits.append(protocol.pieces - piece + 1))

    async def main():
        protocol = sink(kind, act)
        async with flooded(loop, tcp_pair, protocol):
            assert await protocol.lost() is None
        assert protocol.data == PATTERN

    run(main())
    assert waits
    return max(waits)


@PROTOCOLS
def test_what_is_scheduled_waits_for_few(loop, run, tcp_pair, kind):
    assert longest_wait(loop, run, tcp_pair, kind, lambda: None) <= MOST


@PROTOCOLS
def test_a_slow_protocol_gives_way_after_each(loop, run, tcp_pair, kind):
    # The sleep is the protocol's own work.
    assert longest_wait(loop, run, tcp_pair, kind, lambda: time.sleep(0.001)) == 1
