"""Many loops in many threads, and threads that touch a loop that is not theirs.

The second half are wrong programs: asyncio promises nothing for them. Here nothing crashes, and no byte that was
written is lost or doubled.
"""

import asyncio
import socket
import sys
import threading
import time

import pytest

from conftest import LIMIT
from crowd import ask, echo, join, threads_of


@pytest.fixture(autouse=True)
def busy_gil():
    """Threads change often: more races a second, and a loop that gets its turn among threads that never wait."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    yield
    sys.setswitchinterval(interval)


def test_eight_threads_serve_sockets_on_loops_of_their_own(loop_factory):
    results = {}

    async def main(number):
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        results[number] = await asyncio.gather(
            *[ask(address, 10 * number + client, 30) for client in range(5)]
        )
        server.close()
        await server.wait_closed()

    def work(number):
        loop = loop_factory()
        loop.run_until_complete(asyncio.wait_for(main(number), LIMIT))
        loop.close()

    join(threads_of(work, 8))
    assert results == {number: [30] * 5 for number in range(8)}


def test_loops_of_eight_threads_ask_each_others_servers(loop_factory):
    results = {}
    addresses = {}
    listening = threading.Barrier(8)
    asked = threading.Barrier(8)

    async def main(number):
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        addresses[number] = server.sockets[0].getsockname()
        await loop.run_in_executor(None, listening.wait, LIMIT)
        questions = [ask(address, 10 * number + other, 10) for other, address in sorted(addresses.items())]
        results[number] = await asyncio.gather(*questions)
        await loop.run_in_executor(None, asked.wait, LIMIT)
        server.close()
        await server.wait_closed()
        await loop.shutdown_default_executor()

    def work(number):
        loop = loop_factory()
        loop.run_until_complete(asyncio.wait_for(main(number), LIMIT))
        loop.close()

    join(threads_of(work, 8))
    assert results == {number: [10] * 8 for number in range(8)}


def test_loops_come_and_go_in_eight_threads(loop_factory):
    done = []

    def work(number):
        for _ in range(25):
            loop = loop_factory()
            loop.call_soon_threadsafe(loop.call_later, 0.0005, loop.stop)
            loop.run_forever()
            loop.close()
        done.append(number)

    join(threads_of(work, 8))
    assert sorted(done) == list(range(8))


def test_call_soon_threadsafe_hammered_while_the_loop_does_io(loop, run):
    count = 20_000
    calls = {number: [] for number in range(2)}

    def hammer(number):
        for index in range(count):
            loop.call_soon_threadsafe(calls[number].append, index)

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        threads = threads_of(hammer, 2)
        right = 0
        while any(thread.is_alive() for thread in threads):
            right += sum(await asyncio.gather(*[ask(address, number, 5) for number in range(5)])) == 25
        await asyncio.sleep(0)
        server.close()
        await server.wait_closed()
        return right

    assert run(main()) > 0
    assert calls == {number: list(range(count)) for number in range(2)}


class Counting(asyncio.Protocol):
    """The peer's end: what came."""

    def __init__(self, size):
        self.size = size
        self.data = bytearray()
        self.complete = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.data += data
        if len(self.data) >= self.size and not self.complete.done():
            self.complete.set_result(None)


@pytest.mark.goloop_only
@pytest.mark.parametrize("size", [100, 200_000], ids=["small", "above-the-high-water-mark"])
def test_writes_from_wrong_threads_are_not_lost(loop, run, tcp_pair, size):
    """One transport a thread, while the loop reads, writes and wakes for them all."""
    chunks = 20_000_000 // size if size > 1000 else 5000
    total = size * chunks

    def write(transport, number):
        for index in range(chunks):
            transport.write(b"%02d%08d" % (number, index) + b"x" * (size - 10))

    async def main():
        writers, readers, threads = [], [], []
        for number in range(3):
            ours, peer = tcp_pair()
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            reader, protocol = await loop.create_connection(lambda: Counting(total), sock=peer)
            writers.append(transport)
            readers.append((reader, protocol))
            threads.append(threading.Thread(target=write, args=[transport, number], daemon=True))
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0)
        loop.call_soon(int)  # a turn, so that what was written leaves
        for _, protocol in readers:
            await protocol.complete
        for transport in [*writers, *[reader for reader, _ in readers]]:
            transport.close()
        await asyncio.sleep(0.001)
        return [bytes(protocol.data) for _, protocol in readers]

    for number, data in enumerate(run(main())):
        assert len(data) == total
        heads = [data[start : start + 10] for start in range(0, total, size)]
        assert heads == [b"%02d%08d" % (number, index) for index in range(chunks)]


@pytest.mark.goloop_only
def test_write_from_a_wrong_thread_wakes_a_sleeping_loop(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        reader, protocol = await loop.create_connection(lambda: Counting(50_000), sock=peer)

        def write(_):
            for _ in range(5):
                time.sleep(0.01)  # nothing tells that the loop has gone to sleep
                transport.write(b"x" * 10_000)

        threads = threads_of(write, 1)
        await protocol.complete
        join(threads)
        transport.close()
        reader.close()
        await asyncio.sleep(0.001)

    run(main())


@pytest.mark.goloop_only
def test_pause_resume_and_close_from_wrong_threads(loop, run, tcp_pair):
    """Transports are paused, resumed and in the end closed by other threads while data arrive."""

    async def main():
        finished = threading.Event()
        pairs = []
        for _ in range(3):
            ours, peer = tcp_pair()
            pairs.append(
                (
                    await loop.create_connection(lambda: Counting(1 << 60), sock=ours),
                    await loop.create_connection(asyncio.Protocol, sock=peer),
                )
            )

        def disturb(number):
            (transport, _), _ = pairs[number]
            while not finished.is_set():
                transport.pause_reading()
                transport.get_write_buffer_size()
                transport.is_reading()
                transport.resume_reading()
                time.sleep(0)  # lets the loop have the interpreter
            transport.close()

        threads = threads_of(disturb, 3)
        sent = 0
        for _ in range(300):
            for _, (peer, _) in pairs:
                peer.write(b"x" * 1000)
            sent += 1000
            await asyncio.sleep(0)
        while any(len(protocol.data) < sent for (_, protocol), _ in pairs):
            await asyncio.sleep(0.001)
        finished.set()
        await loop.run_in_executor(None, join, threads)
        for _, (peer, _) in pairs:
            peer.close()
        while any(not transport.is_closing() for (transport, _), _ in pairs):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        assert [len(protocol.data) for (_, protocol), _ in pairs] == [sent] * 3

    run(main())


@pytest.mark.goloop_only
def test_readers_and_timers_from_wrong_threads(loop, run):
    """Watches are added and removed, timers made and cancelled by threads while the loop sleeps and runs."""

    async def main():
        finished = threading.Event()
        errors = []
        fired = [0, 0, 0]

        def disturb(number):
            ours, peer = socket.socketpair()

            def due():
                fired[number] += 1

            try:
                with ours, peer:
                    ours.setblocking(False)
                    while not finished.is_set():
                        loop.add_reader(ours, int)
                        loop.add_writer(peer, int)
                        loop.call_later(0.0001, due)
                        loop.call_later(1000, print).cancel()
                        loop.remove_reader(ours)
                        loop.remove_writer(peer)
                        loop.call_soon(int)
                        time.sleep(0)  # lets the loop have the interpreter
            except BaseException as exc:
                errors.append(exc)

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        threads = threads_of(disturb, 3)
        right = 0
        deadline = loop.time() + 2
        while not all(fired) and not errors and loop.time() < deadline:
            right += await ask(address, 1, 20)
            right += await ask(address, 2, 1)
        finished.set()
        await loop.run_in_executor(None, join, threads)
        server.close()
        await server.wait_closed()
        return errors, all(fired), right > 0

    assert run(main()) == ([], True, True)
