"""A loop that is entered again from its own callbacks, and turns that a program takes itself."""

import asyncio
import socket

import pytest

import protocols
from nesting import WAYS, by_handles, run_nested
from programs import PIPE, until


@pytest.fixture(params=[*WAYS, "patched"])
def nested(request, loop, loop_name):
    """loop.run_until_complete() for callbacks of the loop.

    Patched is the outer run as well, as asyncio's has to be: its own _run_once does not bear that a callback
    runs others.
    """
    turn = request.param
    if turn == "patched" or loop_name == "asyncio":
        turn = by_handles
        loop.__class__ = type("Patched", (type(loop),), {"_run_once": by_handles})

    def nested(future, limit=10):
        return run_nested(loop, turn, asyncio.wait_for(future, limit))

    return nested


# ---- from tasks ----


def test_nested_run_ends_with_its_coroutine(run, nested):
    async def inner(depth):
        await asyncio.sleep(0.001)
        return depth if depth == 3 else nested(inner(depth + 1))

    async def main():
        assert nested(inner(0)) == 3
        await asyncio.sleep(0)
        return asyncio.current_task()

    assert run(main()) is not None


def test_tasks_outside_go_on_during_a_nested_run(loop, run, nested):
    async def main():
        calls = []
        loop.call_soon(calls.append, "soon")
        loop.call_later(0.001, calls.append, "timer")
        task = asyncio.create_task(until(lambda: len(calls) == 2))
        nested(asyncio.wait([task]))
        assert calls == ["soon", "timer"]

    run(main())


def test_nested_run_serves_streams_children_names_and_signals(run, nested):
    async def traffic():
        async def echo(reader, writer):
            writer.write(await reader.read(1000))
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(echo, "localhost", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b"x" * 1000)
        answer = await reader.readexactly(1000)
        writer.close()
        await writer.wait_closed()
        server.close()
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        out, _ = await process.communicate(b"child")
        return answer, out, process.returncode, await asyncio.to_thread(lambda: "thread")

    async def main():
        for _ in range(3):
            assert nested(traffic()) == (b"x" * 1000, b"child", 0, "thread")
            assert await traffic() == (b"x" * 1000, b"child", 0, "thread")

    run(main())


def test_nested_run_receives_datagrams_with_their_senders(loop, run, nested, endpoint, peer):
    async def main():
        transport, protocol = await endpoint()
        for number in range(5):
            peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
        nested(protocol.arrived(5))
        assert protocol.datagrams == [(b"%d" % number, peer.getsockname()) for number in range(5)]

    run(main())


# ---- from protocols ----


class Nests(asyncio.Protocol):
    """Notes what comes; the first data run what it was given."""

    def __init__(self, log, inside=None):
        self.log = log
        self.inside = inside

    def data_received(self, data):
        inside, self.inside = self.inside, None
        if inside is not None:
            inside()
        self.log.append(data)


async def connected(loop, protocol, sock):
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    return transport


def test_rest_of_the_batch_comes_first_in_a_nested_run(loop, run, nested, socket_pair):
    """Ten connections are ready at once; the callback of whichever comes first waits for all others."""

    async def main():
        log = []

        def wait_for_others():
            for protocol in all_protocols:
                protocol.inside = None
            nested(until(lambda: len(log) == 9))

        pairs = [socket_pair() for _ in range(10)]
        all_protocols = [Nests(log, wait_for_others) for _ in pairs]
        transports = [
            await connected(loop, protocol, ours)
            for protocol, (ours, _) in zip(all_protocols, pairs, strict=True)
        ]
        for number, (_, theirs) in enumerate(pairs):
            theirs.send(b"%d" % number)
        await until(lambda: len(log) == 10)
        assert sorted(log) == [b"%d" % number for number in range(10)]
        for transport in transports:
            transport.close()
        await protocols.turns(3)

    run(main())


@pytest.mark.goloop_only  # asyncio's runs a reader that was removed inside, and now and then waits for ever
def test_bytes_that_are_being_delivered_outlive_a_nested_turn(loop, run, nested, socket_pair):
    """Each piece of a small buffer enters the loop, which then reads as much of another connection."""

    class Pieces(asyncio.BufferedProtocol):
        def __init__(self):
            self.buffer = bytearray(16)
            self.received = b""

        def get_buffer(self, hint):
            traffic(b"g")
            return self.buffer

        def buffer_updated(self, count):
            traffic(b"u")
            self.received += self.buffer[:count]  # at the end, for main() goes on in a nested run too

    async def main():
        nonlocal traffic
        log = []
        (ours, theirs), (other, its_peer) = socket_pair(), socket_pair()
        pieces = Pieces()
        transports = [await connected(loop, pieces, ours), await connected(loop, Nests(log), other)]
        count = 0

        def traffic(letter):
            nonlocal count
            count += 100
            its_peer.send(letter * 100)
            nested(until(lambda: sum(map(len, log)) == count))

        data = bytes(range(100))
        theirs.send(data)
        await until(lambda: len(pieces.received) == len(data))
        assert pieces.received == data
        for transport in transports:
            transport.close()
        await until(lambda: all(transport.get_protocol() is None for transport in transports))

    traffic = None
    run(main())


def test_accepted_connection_keeps_its_peer_through_a_nested_run(loop, run, nested):
    async def main():
        peers, lost = [], []

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport):
                peers.append(transport.get_extra_info("peername"))
                transport.close()

            def connection_lost(self, exc):
                lost.append(exc)

        def factory():
            nested(asyncio.sleep(0.001))
            return Accepted()

        server = await loop.create_server(factory, "127.0.0.1", 0)
        clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(3)]
        await until(lambda: len(lost) == 3)
        assert sorted(peers) == sorted(client.getsockname() for client in clients)
        for client in clients:
            client.close()
        server.close()
        await protocols.turns(3)

    run(main())


def test_what_comes_for_a_transport_whose_callback_is_inside_comes_after_it(
    loop, run, nested, socket_pair, errors
):
    """Its context cannot be entered twice. asyncio reports that it tries, and tries again."""

    async def main():
        log = []
        ours, theirs = socket_pair()

        def more():
            theirs.send(b"second")
            nested(asyncio.sleep(0.01))
            theirs.send(b", third")
            nested(asyncio.sleep(0.01))
            theirs.close()
            nested(asyncio.sleep(0.01))
            assert log == []

        lost = loop.create_future()
        protocol = Nests(log, more)
        protocol.connection_lost = lost.set_result
        await connected(loop, protocol, ours)
        theirs.send(b"first, ")
        assert await lost is None
        assert b"".join(log) == b"first, second, third"
        assert log[0] == b"first, "

    run(main())


def test_exit_inside_leaves_the_rest_for_the_next_run(loop, run, nested, socket_pair):
    async def nothing():
        await loop.create_future()

    def leave():
        raise KeyboardInterrupt

    def enter():
        loop.call_soon(leave)
        nested(nothing())

    log = []
    ours, theirs = socket_pair()
    transport = run(connected(loop, Nests(log, enter), ours))
    theirs.send(b"x")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    theirs.send(b"y")
    run(until(lambda: b"y" in log))
    transport.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    run(protocols.turns(5))


# ---- turns one by one ----


def test_run_once_outside_of_run_forever_is_one_turn(loop):
    calls = []

    def again():
        calls.append(len(calls))
        loop.call_soon(again)

    loop.call_soon(again)
    for count in range(1, 5):
        loop._run_once()
        assert calls == list(range(count))


@pytest.mark.parametrize("where", ["class", "instance"])
def test_run_once_that_a_program_wraps_is_called_every_turn(loop, where):
    turns = 0
    base = type(loop)

    def wrapped():
        nonlocal turns
        turns += 1
        base._run_once(loop)

    if where == "class":
        loop.__class__ = type("Loop", (base,), {"_run_once": lambda self: wrapped()})
    else:
        loop._run_once = wrapped
    loop.run_until_complete(protocols.turns(20))
    assert turns >= 20
    if where == "instance":
        del loop._run_once


def test_queue_of_handles_shows_what_is_ready(loop):
    calls = []
    assert not loop._ready
    handles = [loop.call_soon(calls.append, number) for number in range(3)]
    assert list(loop._ready) == handles
    assert len(loop._ready) == 3
    first = loop._ready.popleft()
    assert first is handles[0]
    loop._ready.append(first)
    loop._ready.extendleft([loop._ready.popleft()])
    loop._ready.appendleft(asyncio.Handle(calls.append, ["new"], loop))
    loop._run_once()
    assert calls == ["new", 1, 2, 0]
    with pytest.raises(IndexError):
        loop._ready.popleft()
    loop.call_soon(calls.append, "cleared")
    loop._ready.clear()
    assert len(loop._ready) == 0


def test_program_that_runs_the_handles_itself(loop):
    """Without run_forever at all."""
    future = loop.create_task(asyncio.sleep(0.01, "slept"))
    for turn in WAYS:
        asyncio.events._set_running_loop(loop)
        try:
            assert (
                run_nested(loop, turn, asyncio.gather(future, protocols.turns(3), asyncio.sleep(0.001)))[0]
                == "slept"
            )
        finally:
            asyncio.events._set_running_loop(None)


def test_connection_made_waits_for_what_came_behind_its_connection(loop, run, nested):
    """The turn that has accepted it brings both."""
    ours, peer = socket.socketpair()
    received = loop.create_future()

    class Receiving(asyncio.Protocol):
        def data_received(self, data):
            received.set_result(data)

    class Waiting(asyncio.Protocol):
        def connection_made(self, transport):
            answers.append(nested(received, limit=5))
            transport.close()

    async def main():
        transport, _ = await loop.create_connection(Receiving, sock=ours)
        server = await loop.create_server(Waiting, "127.0.0.1", 0)
        await asyncio.sleep(0.01)
        with socket.create_connection(server.sockets[0].getsockname()):
            peer.send(b"behind")
            await until(lambda: answers)
        transport.close()
        server.close()

    answers = []
    with peer:
        run(main())
    assert answers == [b"behind"]
