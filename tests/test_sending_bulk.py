"""When what is written in bulk is the kernel's."""

import asyncio
import socket
import time

import pytest

from crowds import BRISK, CROWD, PIECE, crowd, kernel_has
from protocols import Recorder, turns


@pytest.mark.goloop_only  # asyncio's leave one by one
def test_a_crowd_that_writes_much_is_brisk_soon(loop, run, tcp_pair):
    """A long write counts as a callback: after fifteen turns it is a thousand of them."""

    async def main():
        ends = []
        for _ in range(CROWD):
            ours, peer = tcp_pair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            ends.append(((await loop.create_connection(Recorder, sock=ours))[0], peer))

        def write(transport, peer, pieces):
            for _ in range(pieces):
                transport.write(PIECE[:32768])
            if pieces == 1:
                held.append(not kernel_has(peer))

        for _ in range(20):  # where the machine takes the processor from it, the crowd is not brisk
            held = []
            for pieces in [8] * 15 + [1]:
                for end in ends:
                    loop.call_soon(write, *end, pieces)
                await turns(2)
                for _, peer in ends:
                    while kernel_has(peer):
                        pass
            if any(held):
                break
        else:
            pytest.fail("nothing was held")
        for transport, _ in ends:
            transport.close()

    run(main())


@pytest.mark.parametrize("pieces", [1, 6])
def test_one_long_write_counts_once(loop, run, tcp_pair, pieces):
    """Whatever leaves with it, and of however many pieces it is: a slow callback that makes it delays no answers of the next turn."""

    async def main():
        ends = []
        for _ in range(CROWD):
            ours, peer = tcp_pair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            transport, protocol = await loop.create_connection(Recorder, sock=ours)
            ends.append((transport, peer))
        large = [bytes((6 << 15) // pieces)] * pieces

        def work():
            ends[0][0].writelines(large)
            if pieces == 1:
                for transport, _ in ends[1:]:
                    transport.write(b"x")
            until = time.monotonic() + 0.0016
            while time.monotonic() < until:
                pass

        def answer(transport, peer):
            transport.write(b"y")
            seen.append(kernel_has(peer))

        for _ in range(5):  # where the machine takes the processor from it, it is slow anyway
            await crowd(loop, BRISK // CROWD)
            peer.send(b"x")  # a turn that asks the system, after those that did not need to
            await protocol.received(1)
            protocol.data.clear()
            loop.call_soon(work)
            for _ in range(CROWD - 1):
                loop.call_soon(int)
            await asyncio.sleep(0)
            for _, peer in ends:
                while kernel_has(peer):
                    pass
            seen = []
            for end in ends:
                loop.call_soon(answer, *end)
            await asyncio.sleep(0)
            assert seen == [b"y"] * CROWD
        for transport, _ in ends:
            transport.close()

    run(main())


def test_time_that_pause_writing_takes_is_not_the_systems(loop, run, tcp_pair):
    class Slow(asyncio.streams.FlowControlMixin, Recorder):  # what it writes is never held
        def __init__(self):
            Recorder.__init__(self)
            asyncio.streams.FlowControlMixin.__init__(self, loop)

        def pause_writing(self):
            asyncio.streams.FlowControlMixin.pause_writing(self)
            until = time.monotonic() + 0.003
            while time.monotonic() < until:
                pass

    def answer(transport, peer, seen):
        transport.write(b"y")
        seen.append(kernel_has(peer))

    async def main():
        for _ in range(5):
            ours, unread = tcp_pair()
            full, _ = await loop.create_connection(Slow, sock=ours)
            ours, peer = tcp_pair()
            transport, protocol = await loop.create_connection(Recorder, sock=ours)
            seen = []
            await crowd(loop, BRISK // CROWD)
            peer.send(b"x")
            await protocol.received(1)
            loop.call_soon(full.write, bytes(16 << 20))
            for _ in range(CROWD - 1):
                loop.call_soon(int)
            await asyncio.sleep(0)
            for _ in range(CROWD):
                loop.call_soon(answer, transport, peer, seen)
            await asyncio.sleep(0)
            assert seen == [b"y"] * CROWD
            full.abort()
            transport.close()
            unread.close()

    run(main())
