"""A loop that always has something to run: what comes meanwhile is served in its turn."""

import asyncio
import os
import signal
import socket
import threading

import pytest

from protocols import Recorder

LONG = 80_000  # turns from which on goloop need not ask the system whether there is anything
SEVERAL = 200  # turns in which that begins anew


class Chain:
    """A callback that schedules itself until it is told to stop, and counts the turns."""

    def __init__(self, loop):
        self.loop = loop
        self.turns = self.until = 0
        self.then = None

    def run(self, turns, then=None):
        """So many turns; then `then` is called, and the chain goes on until somebody stops the loop."""
        self.until, self.then = self.turns + turns, then
        handle = self.loop.call_soon(self.step)
        self.loop.run_forever()
        handle.cancel()
        self.handle.cancel()

    def step(self):
        self.turns += 1
        self.handle = self.loop.call_soon(self.step)
        if self.turns == self.until:
            if self.then is None:
                self.loop.stop()
            else:
                self.then()
        elif self.turns > self.until + LONG:
            self.loop.stop()


def until_it_comes(loop, come, chain):
    """How many turns pass between come() and the end of the run, five times: after many turns, then after some."""
    waited = []
    for turns in [LONG] + [SEVERAL] * 4:
        chain.run(turns, come)
        waited.append(chain.turns - chain.until)
    return waited


def test_data_for_a_reader(loop, socket_pair):
    ours, peer = socket_pair()
    chain = Chain(loop)

    def read():
        ours.recv(10)
        loop.stop()

    loop.add_reader(ours, read)
    assert max(until_it_comes(loop, lambda: peer.send(b"x"), chain)) <= 2
    loop.remove_reader(ours)


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_reader_or_writer_that_is_added(loop, socket_pair, kind):
    ours, peer = socket_pair()
    other, _ = socket_pair()
    peer.send(b"x")
    add, remove = getattr(loop, f"add_{kind}"), getattr(loop, f"remove_{kind}")
    chain = Chain(loop)

    def come():
        remove(ours)
        loop.stop()

    loop.add_reader(other, pytest.fail)
    assert max(until_it_comes(loop, lambda: add(ours, come), chain)) <= 2
    loop.remove_reader(other)


def test_data_of_a_transport(loop, socket_pair):
    class Stopping(Recorder):
        def data_received(self, data):
            super().data_received(data)
            loop.stop()

    ours, peer = socket_pair()
    chain = Chain(loop)
    transport, protocol = loop.run_until_complete(loop.create_connection(Stopping, sock=ours))
    assert max(until_it_comes(loop, lambda: peer.send(b"x"), chain)) <= 2
    transport.abort()
    loop.run_until_complete(protocol.lost())


def test_data_from_another_thread(loop, socket_pair):
    """Nobody can say in which turn they come; they do."""
    ours, peer = socket_pair()
    chain = Chain(loop)

    def read():
        ours.recv(10)
        loop.stop()

    loop.add_reader(ours, read)
    for turns in (LONG, SEVERAL):
        thread = threading.Thread(target=peer.send, args=(b"x",))
        chain.run(turns, thread.start)
        thread.join()
        assert chain.turns - chain.until < LONG
    loop.remove_reader(ours)


def test_a_number_that_names_another_file(loop, socket_pair):
    """While a duplicate keeps the first open."""
    first, first_peer = socket_pair()
    second, second_peer = socket_pair()
    chain = Chain(loop)
    seen = []

    def read():
        seen.append(os.read(number, 100))
        loop.stop()

    kept = first.dup()
    number = first.fileno()
    loop.add_reader(number, read)
    chain.run(LONG)
    loop.remove_reader(number)
    os.dup2(second.fileno(), number)
    loop.add_reader(number, read)
    chain.run(SEVERAL, lambda: first_peer.send(b"of the first"))
    chain.run(SEVERAL, lambda: second_peer.send(b"of the second"))
    chain.run(SEVERAL, lambda: second_peer.send(b"again"))
    assert seen == [b"of the second", b"again"]
    loop.remove_reader(number)
    kept.close()


def test_a_signal(loop, socket_pair):
    ours, _ = socket_pair()
    chain = Chain(loop)
    loop.add_reader(ours, pytest.fail)
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    waited = until_it_comes(loop, lambda: os.kill(os.getpid(), signal.SIGUSR1), chain)
    assert max(waited) <= 3
    loop.remove_signal_handler(signal.SIGUSR1)
    loop.remove_reader(ours)


def test_loops_one_after_the_other(loop_factory):
    """Each hears of its own descriptors."""
    ours, peer = socket.socketpair()
    with ours, peer:
        for _ in range(3):
            loop = loop_factory()
            chain = Chain(loop)
            loop.add_reader(ours, loop.stop)
            chain.run(LONG)
            assert chain.turns == LONG
            chain.run(SEVERAL, lambda: peer.send(b"x"))
            assert chain.turns - chain.until <= 2
            ours.recv(1)
            loop.close()


@pytest.mark.goloop_only
def test_a_forked_child_is_told_that_the_loop_is_not_its_own(script):
    out = script("""
        loop = new_event_loop()
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        loop.add_reader(ours, print)
        turns = 0

        def step():
            global turns
            turns += 1
            loop.call_soon(step)
            if turns == 80_000 and (pid := os.fork()):
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                loop.stop()
            if turns == 80_100:
                os._exit(5)

        loop.call_soon(step)
        try:
            loop.run_forever()
        except RuntimeError as error:
            os._exit(3 if "parent process" in str(error) else 4)
        loop.close()
        ours.close()
        peer.close()
    """)
    assert out.split() == ["3"]


def test_a_task_that_never_waits_and_a_server(run):
    """sleep(0) again and again, and connections meanwhile."""

    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    async def main():
        done = asyncio.Event()

        async def spin():
            while not done.is_set():
                await asyncio.sleep(0)

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        task = asyncio.ensure_future(spin())
        for number in range(50):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
            writer.close()
            for _ in range(LONG if number == 10 else SEVERAL):
                await asyncio.sleep(0)
        done.set()
        await task
        server.close()
        await server.wait_closed()

    run(main())
