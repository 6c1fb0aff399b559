"""What was read from the kernel when a callback leaves the loop by an exit: the next run goes on with the next byte."""

import asyncio
import os
import sys

import pytest

from protocols import BufferedRecorder, DatagramRecorder, Recorder, turns

DATA = bytes(range(200))
EXITS = [KeyboardInterrupt, SystemExit]


class Leaving:
    """Raises an exit in the calls of `leaves`, by their number, of the callback of this name."""

    def __init__(self, *args, exit=KeyboardInterrupt, name=None, leaves=(1,), **options):
        super().__init__(*args, **options)
        self.exit, self.leaving, self.leaves, self.count = exit, name, leaves, 0

    def _record(self, name):
        super()._record(name)
        self.leave(name)

    def leave(self, name):
        if name == self.leaving:
            self.count += 1
            if self.count in self.leaves:
                raise self.exit


class Plain(Leaving, Recorder):
    def __init__(self, name="data_received", **options):
        super().__init__(name=name, **options)


class Buffered(Leaving, BufferedRecorder):
    def __init__(self, name="buffer_updated", size=10, **options):
        super().__init__(name=name, size=size, **options)

    def get_buffer(self, sizehint):
        self.leave("get_buffer")
        return super().get_buffer(sizehint)


class Packets(Leaving, DatagramRecorder):
    def __init__(self, **options):
        super().__init__(name="datagram_received", **options)


@pytest.fixture
def go_on(loop, longest):
    """Runs a coroutine to its end, again after each exit, and returns how many there were."""

    def go_on(coroutine, between=lambda: None):
        task = loop.create_task(asyncio.wait_for(coroutine, min(8, longest)))
        exits = 0
        while True:
            try:
                loop.run_until_complete(task)
                return exits
            except (KeyboardInterrupt, SystemExit):
                exits += 1
                between()

    return go_on


@pytest.fixture
def connected(loop, run, tcp_pair):
    """A protocol on one end of a connection, and the socket of the other."""
    opened = []

    def connected(factory):
        ours, peer = tcp_pair()
        transport, protocol = run(loop.create_connection(factory, sock=ours))
        opened.append(transport)
        return protocol, peer

    yield connected
    for transport in opened:
        transport.abort()
    if not loop.is_closed():
        run(turns(2))


KINDS = {
    "data_received": Plain,
    "buffer_updated": Buffered,
    "buffer_updated often": lambda **options: Buffered(leaves=range(2, 100, 3), **options),
    "get_buffer": lambda **options: Buffered(name="get_buffer", leaves=(2, 3, 5), **options),
    "get_buffer at first": lambda **options: Buffered(name="get_buffer", **options),
}


@pytest.mark.parametrize("exit", EXITS)
@pytest.mark.parametrize("kind", KINDS)
def test_stream_goes_on_after_an_exit(loop, go_on, connected, kind, exit):
    protocol, peer = connected(lambda: KINDS[kind](exit=exit))
    peer.send(DATA)
    assert go_on(protocol.received(len(DATA))) >= 1
    assert protocol.data == DATA
    peer.send(b"more")
    go_on(protocol.received(len(DATA) + 4))
    assert protocol.data == DATA + b"more"


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_is_delivered_later(go_on, connected, kind):
    protocol, peer = connected(KINDS[kind])
    peer.send(DATA)
    parts = [b"first", b"second", b"third"]
    go_on(protocol.received(len(DATA)), lambda: parts and peer.send(parts.pop(0)))
    while parts:
        peer.send(parts.pop(0))
    go_on(protocol.received(len(DATA) + 16))
    assert protocol.data == DATA + b"firstsecondthird"


@pytest.mark.parametrize("kind", KINDS)
def test_end_of_file_comes_behind_what_an_exit_left(go_on, connected, kind):
    protocol, peer = connected(KINDS[kind])
    peer.send(DATA)
    peer.close()
    go_on(protocol.lost())
    assert protocol.data == DATA
    assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


def test_many_streams_of_a_turn_lose_nothing_by_the_exits_of_some(go_on, connected):
    ends = [connected(Buffered if number % 3 else Plain) for number in range(12)]
    for number, (_, peer) in enumerate(ends):
        peer.send(bytes([number]) * 100)

    async def main():
        for protocol, _ in ends:
            await protocol.received(100)

    assert go_on(main()) >= 12
    for number, (protocol, _) in enumerate(ends):
        assert protocol.data == bytes([number]) * 100


@pytest.mark.parametrize("size", [1000, 70_000, 1 << 20])
def test_large_reads_go_on_after_exits(loop, go_on, connected, size):
    data = os.urandom(4 << 20)
    protocol, peer = connected(lambda: Buffered(size=size, leaves=range(2, 200, 7)))
    sending = loop.create_task(loop.sock_sendall(peer, data))
    assert go_on(protocol.received(len(data))) >= 1
    assert protocol.data == data
    go_on(asyncio.wait([sending]))


# ---- what happens between the exit and the next run ----


def test_rest_waits_while_the_transport_is_paused(loop, run, go_on, connected):
    protocol, peer = connected(Buffered)
    peer.send(DATA)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    protocol.transport.pause_reading()
    taken = bytes(protocol.data)
    run(turns(5))
    assert protocol.data == taken == DATA[:10]
    peer.send(b"more")
    protocol.transport.resume_reading()
    go_on(protocol.received(len(DATA) + 4))
    assert protocol.data == DATA + b"more"


def test_pause_and_resume_between_the_runs_change_nothing(loop, go_on, connected):
    protocol, peer = connected(Buffered)
    peer.send(DATA)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    protocol.transport.pause_reading()
    protocol.transport.resume_reading()
    go_on(protocol.received(len(DATA)))
    assert protocol.data == DATA


def test_closed_transport_delivers_no_rest(loop, run, connected):
    protocol, peer = connected(Buffered)
    peer.send(DATA)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    protocol.transport.close()
    assert run(protocol.lost()) is None
    assert protocol.data == DATA[:10]
    assert protocol.calls == ["connection_made", "buffer_updated", "connection_lost"]


@pytest.mark.parametrize("factory", [Recorder, BufferedRecorder])
def test_rest_goes_to_the_protocol_that_is_set_meanwhile(loop, run, connected, factory):
    protocol, peer = connected(Buffered)
    peer.send(DATA)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    other = factory()
    protocol.transport.set_protocol(other)
    peer.send(b"more")
    assert run(other.received(len(DATA) - 10 + 4)) == DATA[10:] + b"more"
    assert protocol.data == DATA[:10]


def test_data_held_while_paused_survive_an_exit(loop, run, go_on, connected):
    """The pause comes from a callback of the turn that reads."""
    protocol, peer = connected(Plain)
    peer.send(b"first")
    loop.call_soon(protocol.transport.pause_reading)
    run(turns(3))
    peer.send(b"second")
    protocol.transport.resume_reading()
    loop.call_soon(protocol.transport.pause_reading)
    go_on(turns(3))
    protocol.transport.resume_reading()
    peer.send(b"third")
    go_on(protocol.received(16))
    assert protocol.data == b"firstsecondthird"


def test_data_held_for_a_buffered_protocol_survive_exits(loop, run, go_on, connected):
    protocol, peer = connected(lambda: Buffered(leaves=range(1, 100, 2)))
    peer.send(DATA)
    loop.call_soon(protocol.transport.pause_reading)
    run(turns(3))
    protocol.transport.resume_reading()
    assert go_on(protocol.received(len(DATA))) >= 1
    assert protocol.data == DATA


def test_held_data_come_after_the_callbacks_that_were_ready(loop, run, connected):
    protocol, peer = connected(lambda: Plain(leaves=()))
    peer.send(b"held")
    loop.call_soon(protocol.transport.pause_reading)
    run(turns(3))
    order = []

    def resume():
        protocol.transport.resume_reading()
        loop.call_soon(lambda: order.append(bytes(protocol.data)))

    loop.call_soon(resume)
    run(protocol.received(4))
    assert order == [b""]


# ---- writes ----


def test_exit_out_of_resume_writing_ends_no_close(loop, run, go_on, connected):
    protocol, peer = connected(lambda: Plain(name="resume_writing"))
    while not protocol.paused:
        protocol.transport.write(bytes(65536))
    protocol.transport.close()

    async def read():
        while await loop.sock_recv(peer, 1 << 20):
            pass
        return await protocol.lost()

    assert go_on(read()) == 1
    assert protocol.lost_with is None


# ---- datagrams, pipes, TLS ----


@pytest.mark.parametrize("exit", EXITS)
def test_datagrams_go_on_after_exits(run, go_on, endpoint, peer, exit):
    transport, protocol = run(endpoint(lambda: Packets(exit=exit, leaves=(1, 2, 4))))
    for number in range(6):
        peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
    assert go_on(protocol.arrived(6)) == 3
    assert [data for data, _ in protocol.datagrams] == [b"%d" % number for number in range(6)]


@pytest.mark.since("3.11")  # before, asyncio's datagram transports cannot be paused
def test_held_datagrams_survive_exits_and_come_before_newer_ones(loop, run, go_on, endpoint, peer):
    transport, protocol = run(endpoint(lambda: Packets(leaves=(1, 2, 4))))
    name = transport.get_extra_info("sockname")
    for number in range(4):
        peer.sendto(b"%d" % number, name)
    loop.call_soon(transport.pause_reading)
    run(turns(3))
    transport.resume_reading()
    newer = [b"4", b"5"]
    go_on(protocol.arrived(4), lambda: newer and peer.sendto(newer.pop(0), name))
    while newer:
        peer.sendto(newer.pop(0), name)
    go_on(protocol.arrived(6))
    assert [data for data, _ in protocol.datagrams] == [b"%d" % number for number in range(6)]


@pytest.mark.parametrize("exit", EXITS)
def test_pipe_goes_on_after_exits(loop, run, go_on, pipe, exit):
    reader, writer = pipe()
    transport, protocol = run(loop.connect_read_pipe(lambda: Plain(exit=exit, leaves=(1, 2)), reader))
    writer.write(b"first")
    go_on(protocol.received(5))
    writer.write(b"second")
    go_on(protocol.received(11))
    writer.close()
    go_on(protocol.lost())
    assert protocol.data == b"firstsecond"


@pytest.mark.since("3.11")  # 3.10's sslproto hands a whole read to a BufferedProtocol in a loop of its own
@pytest.mark.parametrize("records", [1, 20])
@pytest.mark.parametrize("kind", KINDS)
def test_tls_goes_on_after_exits(loop, run, go_on, serve_tls, client_context, kind, records):
    """Several records in one read, and the close_notify behind them."""
    data = [bytes([number]) * 100 for number in range(records)]

    class Sender(Recorder):
        def data_received(self, received):
            for piece in data:
                self.transport.write(piece)
            self.transport.close()

    leaving = KINDS[kind]()
    leaves, leaving.leaves = leaving.leaves, ()

    async def connect():
        server, port = await serve_tls(Sender)
        _, protocol = await loop.create_connection(
            lambda: leaving, "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        return server, protocol

    server, protocol = run(connect())
    protocol.leaves, protocol.count = leaves, 0
    try:
        protocol.transport.write(b"go")
        assert go_on(protocol.lost()) >= 1
        assert protocol.data == b"".join(data)
        assert protocol.calls.count("connection_lost") == 1
    finally:
        protocol.leaves = ()
        server.close()


@pytest.mark.goloop_only  # asyncio loses records where an exit meets its high-water mark, not in every run
@pytest.mark.since("3.11")
def test_tls_reads_on_after_an_exit_above_its_high_water_mark(loop, run, go_on, serve_tls, client_context):
    """An exit does not leave the encrypted side paused."""
    data = os.urandom(3 << 20)

    class Sender(Recorder):
        def data_received(self, received):
            self.transport.write(data)

    async def connect():
        server, port = await serve_tls(Sender)
        _, protocol = await loop.create_connection(
            lambda: Buffered(size=5000, leaves=range(1, 1000, 11)),
            *("127.0.0.1", port),
            ssl=client_context,
            server_hostname="localhost",
        )
        return server, protocol

    server, protocol = run(connect())
    protocol.transport.write(b"go")
    assert go_on(protocol.received(len(data))) >= 1
    assert protocol.data == data
    protocol.transport.close()
    go_on(protocol.lost())
    server.close()


# ---- a number that dup2 gives to another file ----


@pytest.mark.goloop_only  # asyncio may fail with FileNotFoundError of epoll, not in every run
@pytest.mark.linux_only
def test_transport_whose_number_gets_another_file_loses_no_byte(loop, run, socket_pair):
    """A duplicate keeps the file before open, and ready: the selector may know two files under one number."""

    async def main():
        ends = []
        for _ in range(6):
            ours, peer = socket_pair()
            ends.append((await loop.create_connection(Recorder, sock=ours), peer))
        for (_, protocol), peer in ends:
            peer.send(b"hello")
            await protocol.received(5)
        (transport, protocol), old = ends[0]
        number = transport.get_extra_info("socket").fileno()
        kept = os.dup(number)
        new, peer = socket_pair()
        os.dup2(new.fileno(), number)
        transport.write(bytes(1 << 20))  # more than fits: the selector is asked about the number again
        left = 1 << 20
        while left:
            left -= len(await loop.sock_recv(peer, left))
        old.send(b"for the file before")
        for number in range(1, 11):
            for _, other_peer in ends[1:]:
                other_peer.send(b"%5d" % number)
            peer.send(b"%5d" % number)
            for (_, other), _ in ends:
                assert (await other.received(5 + 5 * number))[5 * number :] == b"%5d" % number
        os.close(kept)
        new.close()
        for (other, recorder), _ in ends:
            other.abort()
            await recorder.lost()

    run(main())


# a handler of a signal that raises within the transport


@pytest.mark.parametrize("writing", [False, True])
def test_exit_as_the_other_end_of_a_pipe_goes_loses_no_callback(loop, go_on, pipe, writing):
    async def main():
        reader, writer = pipe()
        file, other = (writer, reader) if writing else (reader, writer)
        connecting = loop.connect_write_pipe if writing else loop.connect_read_pipe
        transport, protocol = await connecting(Recorder, file)
        await turns(2)

        def leave_once(frame, event, arg):
            if event == "call" and frame.f_locals.get("self") is transport:
                sys.setprofile(None)
                raise KeyboardInterrupt

        sys.setprofile(leave_once)
        other.close()
        await protocol.lost()
        assert protocol.calls == ["connection_made"] + ["eof_received"] * (not writing) + ["connection_lost"]

    try:
        go_on(main())
    finally:
        sys.setprofile(None)
