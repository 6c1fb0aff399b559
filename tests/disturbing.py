"""What the programs of test_wrong_threads.py have in common: threads that touch a loop and a transport that are not theirs.

Order and outcome of what they do are open. Memory, the process, and what nobody touched must stay whole.
"""

import asyncio
import gc
import socket
import threading
import time

from crowd import ask, echo, join, threads_of

THREADS = 4
CONVERSATIONS = 12  # of an untouched connection, at least, while the threads disturb
SECONDS = 0.5  # of disturbing, at least


class Prey:
    """What is touched: a loop, and connected transports which are made anew when they have ended."""

    def __init__(self, loop, address):
        self.loop, self._address = loop, address
        self.handle = loop.call_later(1000, print)
        self.future = loop.create_future()
        self.task = loop.create_task(asyncio.sleep(1000))
        self._made = []

    async def renew(self):
        """Let there be a transport, a datagram endpoint, a pipe, a server that can be touched, and objects of this turn."""
        loop = self.loop
        if not self._made or any(made.is_closing() for made in self._made):
            self.abort()
            self.transport, self.protocol = await loop.create_connection(Noting, *self._address)
            self.endpoint, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
            )
            self.own = self.endpoint.get_extra_info("sockname")
            self._made = [self.transport, self.endpoint]
            self.server = await loop.create_server(Noting, "127.0.0.1", 0)
        self.handle = loop.call_later(0.0005, int)
        self.soon = loop.call_soon(int)
        self.future = loop.create_future()
        self.task.cancel()
        self.task = loop.create_task(asyncio.sleep(0.0005))

    def abort(self):
        for made in self._made:
            made.abort()
        if self._made:
            self.server.close()
        self._made = []


class Noting(asyncio.Protocol):
    def __init__(self):
        self.size = 0

    def data_received(self, data):
        self.size += len(data)


class Pair:
    """Two connected sockets of a thread, which it may have the loop watch."""

    def __enter__(self):
        self.ours, self.peer = socket.socketpair()
        self.ours.setblocking(False)
        self.peer.setblocking(False)
        return self

    def __exit__(self, *exc):
        self.ours.close()
        self.peer.close()


async def disturbed(touch):
    """Serve a connection while threads call touch(prey, pair); returns what they have raised, by the names."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: None)  # what is told is open
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    prey = Prey(loop, address)
    await prey.renew()
    finished = threading.Event()
    raised = set()

    def disturb(number):
        with Pair() as pair:
            while not finished.is_set():
                try:
                    touch(prey, pair)
                except Exception as exc:
                    raised.add(type(exc))
                time.sleep(0)  # lets the loop have the interpreter

    threads = threads_of(disturb, THREADS)
    until = time.monotonic() + SECONDS
    count = 0
    while count < CONVERSATIONS or time.monotonic() < until:
        assert await ask(address, count, 3) == 3
        await prey.renew()
        count += 1
    finished.set()
    await loop.run_in_executor(None, join, threads)
    prey.abort()
    prey.task.cancel()
    assert await ask(address, count, 3) == 3
    server.close()
    await asyncio.sleep(0.001)
    assert not raised & {SystemError, AssertionError, MemoryError}, raised
    return sorted(exc.__name__ for exc in raised)


def collect():
    for _ in range(3):
        gc.collect()
