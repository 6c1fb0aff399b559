"""What comes for a transport while a loop runs inside one of its callbacks: in the order in which it was sent."""

import asyncio
import random
import socket
import struct

import pytest

import protocols

pytestmark = pytest.mark.goloop_only


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("most", [30_000, 3 << 18])
@pytest.mark.parametrize("seed", range(2))
def test_bytes_stay_in_order_through_nested_runs(loop, run, tcp_pair, seed, most, depth):
    """What comes while a callback of the same transport is inside comes after it, and none of it before what was read earlier."""
    loop.allow_nested()
    rnd = random.Random(seed)
    sent, got, inside = bytearray(), bytearray(), 0

    def send():
        size = min(rnd.choice([40, 4000, 30_000, 70_000, 1 << 18, 3 << 18]), most) // 4 * 4
        data = struct.pack(f"<{size // 4}I", *range(len(sent) // 4, (len(sent) + size) // 4))
        try:
            taken = peer.send(data)
        except BlockingIOError:
            return
        assert taken % 4 == 0
        sent.extend(data[:taken])

    async def wait():
        for _ in range(rnd.randrange(4)):
            if len(sent) < 20 << 20:
                send()
            await asyncio.sleep(rnd.choice([0, 0.002]))

    class Nesting(protocols.Recorder):
        def data_received(self, data):
            nonlocal inside
            got.extend(data)
            if inside < depth:
                inside += 1
                loop.run_until_complete(wait())
                inside -= 1

    ours, peer = tcp_pair()
    for sock in (ours, peer):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    async def main():
        transport, protocol = await loop.create_connection(Nesting, sock=ours)
        for _ in range(40):
            send()
            while len(got) < len(sent):
                await asyncio.sleep(0.001)
        transport.abort()
        await protocol.lost()

    run(main())
    assert got == sent


def test_a_message_of_a_later_nested_run_comes_later(loop, run, socket_pair):
    loop.allow_nested()
    ours, peer = socket_pair()
    got = []

    async def say(*words):
        for word in words:
            peer.send(word)
            await asyncio.sleep(0.01)  # the loop's own work, in which it reads the word

    class Nesting(protocols.Recorder):
        def data_received(self, data):
            got.append(data)
            if data == b"1":
                loop.run_until_complete(say(b"2", b"3"))
            if data == b"2":
                loop.run_until_complete(say(b"4"))

    async def main():
        transport, protocol = await loop.create_connection(Nesting, sock=ours)
        peer.send(b"1")
        while len(got) < 4:
            await asyncio.sleep(0.001)
        transport.abort()
        await protocol.lost()

    run(main())
    assert got == [b"1", b"2", b"3", b"4"]


def test_connection_lost_comes_while_a_callback_of_the_transport_is_inside(loop, run, socket_pair, reports):
    loop.allow_nested()
    ours, peer = socket_pair()

    class Nesting(protocols.Recorder):
        def data_received(self, data):
            self.transport.abort()
            assert loop.run_until_complete(self.lost()) is None
            self._record("data_received")

    async def main():
        _, protocol = await loop.create_connection(Nesting, sock=ours)
        peer.send(b"1")
        await protocol.called("data_received")
        assert protocol.calls == ["connection_made", "connection_lost", "data_received"]

    run(main())
    assert reports == []
