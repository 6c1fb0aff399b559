"""What is ready is served in the turn that begins after it, beside callbacks that keep the loop busy."""

import asyncio
import os
import threading

import pytest

from protocols import Recorder, turns

BUSY = 20  # callbacks that are always ready


@pytest.fixture
def busy(loop):
    """Keeps the loop busy from the call on; the list it returns counts turns in its only item."""
    ended = False
    counted = [0]

    def count():
        counted[0] += 1
        again(count)

    def again(callback):
        if not ended:
            loop.call_soon(callback)

    def busy(callbacks=BUSY):
        loop.call_soon(count)
        for _ in range(callbacks - 1):

            def idle():
                again(idle)

            loop.call_soon(idle)
        return counted

    yield busy
    ended = True


@pytest.mark.parametrize("callbacks", [1, BUSY])
def test_a_readable_descriptor_is_served_within_two_turns(loop, run, socket_pair, busy, callbacks):
    async def main():
        ours, peer = socket_pair()
        turn = busy(callbacks)
        served = asyncio.Event()

        def readable():
            ours.recv(10)
            took.append(turn[0] - began)
            served.set()

        loop.add_reader(ours, readable)
        took = []
        for _ in range(200):
            served.clear()
            await asyncio.sleep(0)
            began = turn[0]
            peer.send(b"x")
            await served.wait()
        loop.remove_reader(ours)
        assert max(took) <= 2

    run(main())


@pytest.mark.parametrize("callbacks", [1, BUSY])
def test_a_stream_is_served_within_two_turns(loop, run, socket_pair, busy, callbacks):
    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        turn = busy(callbacks)
        took = []
        for number in range(1, 200):
            await asyncio.sleep(0)
            began = turn[0]
            peer.send(b"x")
            await protocol.received(number)
            took.append(turn[0] - began)
        transport.close()
        assert max(took) <= 3  # the task that waits needs one more

    run(main())


@pytest.mark.parametrize("kind", ["socket", "pipe"])
def test_data_that_lie_ready_come_before_a_later_loss(loop, run, socket_pair, pipe, kind):
    log = []

    class Logger(asyncio.Protocol):
        def __init__(self, name):
            self.name = name

        def data_received(self, data):
            log.append(f"{self.name} data")

        def connection_lost(self, exc):
            log.append(f"{self.name} lost")

    async def connected(name):
        if kind == "pipe":
            reader, writer = pipe()
            os.write(writer.fileno(), b"x")
            return (await loop.connect_read_pipe(lambda: Logger(name), reader))[0]
        ours, peer = socket_pair()
        peer.send(b"x")
        return (await loop.create_connection(lambda: Logger(name), sock=ours))[0]

    async def main():
        for _ in range(50):
            log.clear()
            first = await connected("a")
            await turns(3)
            second = await connected("b")
            first.close()
            await turns(4)
            assert log == ["a data", "b data", "a lost"]
            second.close()
            await turns(3)

    run(main())


def test_an_end_of_file_is_seen_before_the_loop_stops(loop, socket_pair):
    ours, peer = socket_pair()
    transport, protocol = loop.run_until_complete(loop.create_connection(Recorder, sock=ours))
    for _ in range(3):
        loop.call_soon(int)
    peer.close()
    loop.run_until_complete(turns(3))
    assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


def test_threads_that_schedule_without_a_pause_do_not_hold_up_the_loop(loop, run, socket_pair):
    ended = threading.Event()

    def flood():
        while not ended.is_set():
            loop.call_soon_threadsafe(int)

    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        threads = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, 51):
                peer.send(b"x")
                await asyncio.wait_for(protocol.received(number), 5)
                await asyncio.sleep(0.0001)
        finally:
            ended.set()
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        transport.close()

    run(main())
