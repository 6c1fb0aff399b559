"""What is counted, and the program that does it: ``python -m guard.operations NAME``.

An operation is a function that is given the loop, makes what it needs and returns ``lot``, which makes n operations
and returns when they are done. Nothing in a lot may depend on the time that it takes: a callback runs fifty
times slower than usual, and not evenly.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import goloop
from guard.callgrind import mark
from servers.certificate import server_context

Lot = Callable[[int], object]
Operation = Callable[[asyncio.AbstractEventLoop], Lot]

MESSAGE = bytes(range(256)) * 4  # 1 KiB
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no port is left in TIME_WAIT
CROWD = 100  # callbacks a turn, where there are many
SPANS = 10  # lots that are counted, of n and of 2n operations in turn

kept: list[object] = []  # what the loop only knows weakly


def nothing() -> None:
    """A callback."""


class Countdown:
    """Stops the loop when it has been called as often as it was told to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.left = 0

    def __call__(self) -> None:
        self.left -= 1
        if not self.left:
            self.loop.stop()

    def run(self, n: int) -> None:
        """Run the loop until then."""
        self.left = n
        self.loop.run_forever()


def in_crowds(loop: asyncio.AbstractEventLoop, schedule: Callable[[int], object]) -> Lot:
    """A lot that calls ``schedule(CROWD)`` in each turn."""
    left = 0

    def turn() -> None:
        nonlocal left
        left -= CROWD
        schedule(CROWD)
        loop.call_soon(turn if left > 0 else loop.stop)

    def lot(n: int) -> None:
        nonlocal left
        left = n
        loop.call_soon(turn)
        loop.run_forever()

    return lot


def in_task(loop: asyncio.AbstractEventLoop, body: Callable[[int], Coroutine[Any, Any, None]]) -> Lot:
    """A lot that is a coroutine."""
    return lambda n: loop.run_until_complete(body(n))


# ---- callbacks


def call_soon(loop: asyncio.AbstractEventLoop) -> Lot:
    """Each callback schedules the next, one a turn."""
    countdown = Countdown(loop)

    def chain() -> None:
        countdown()
        loop.call_soon(chain)

    loop.call_soon(chain)
    return countdown.run


def call_soon_crowd(loop: asyncio.AbstractEventLoop) -> Lot:
    """A hundred callbacks a turn."""

    def schedule(n: int) -> None:
        for _ in range(n):
            loop.call_soon(nothing)

    return in_crowds(loop, schedule)


def threadsafe_own(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_soon_threadsafe in the loop's own thread, a hundred callbacks a turn."""

    def schedule(n: int) -> None:
        for _ in range(n):
            loop.call_soon_threadsafe(nothing)

    return in_crowds(loop, schedule)


def threadsafe_other(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_soon_threadsafe in another thread, a hundred callbacks a turn; the instructions of both.

    A callback waits meanwhile, so that the two never run at once.
    """
    order, done = threading.Semaphore(0), threading.Semaphore(0)
    work: Callable[[], object] = nothing

    def follow() -> None:
        while order.acquire():
            work()
            done.release()

    def beside(what: Callable[[], object]) -> None:
        nonlocal work
        work = what
        order.release()
        done.acquire()

    def flood() -> None:
        for _ in range(CROWD):
            loop.call_soon_threadsafe(nothing)

    threading.Thread(target=follow, daemon=True).start()
    crowds = in_crowds(loop, lambda n: beside(flood))

    def lot(n: int) -> None:
        crowds(n)
        beside(mark)

    return lot


# ---- timers


def timers_run(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_later of a hundred timers a turn, which are due at once, in the order of their times."""

    def schedule(n: int) -> None:
        for i in range(n):
            loop.call_later(-1.0 - i * 37 % n, nothing)

    return in_crowds(loop, schedule)


def timers_cancel(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_later and cancel."""

    def schedule(n: int) -> None:
        for _ in range(n):
            loop.call_later(3600, nothing).cancel()

    return in_crowds(loop, schedule)


def timers_soon(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_later(0): each timer schedules the next, one a turn."""
    countdown = Countdown(loop)

    def chain() -> None:
        countdown()
        loop.call_later(0, chain)

    loop.call_later(0, chain)
    return countdown.run


def timers_crowd(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_later of a hundred timers a turn, of which nine in ten are cancelled and the others run."""

    def schedule(n: int) -> None:
        timers = [loop.call_later(-1.0 - i * 37 % n, nothing) for i in range(n)]
        for i, timer in enumerate(timers):
            if i % 10:
                timer.cancel()

    return in_crowds(loop, schedule)


def timers_renewed(loop: asyncio.AbstractEventLoop) -> Lot:
    """call_later in one turn and cancel in the next, a hundred at a time."""
    timers: list[asyncio.TimerHandle] = []

    def schedule(n: int) -> None:
        for timer in timers:
            timer.cancel()
        timers[:] = [loop.call_later(3600, nothing) for _ in range(n)]

    return in_crowds(loop, schedule)


# ---- tasks


def sleep0(loop: asyncio.AbstractEventLoop) -> Lot:
    """await asyncio.sleep(0)."""

    async def body(n: int) -> None:
        for _ in range(n):
            await asyncio.sleep(0)

    return in_task(loop, body)


def tasks(loop: asyncio.AbstractEventLoop) -> Lot:
    """create_task, and await it."""

    async def task() -> None:
        pass

    async def body(n: int) -> None:
        for _ in range(n):
            await loop.create_task(task())

    return in_task(loop, body)


def gather(loop: asyncio.AbstractEventLoop) -> Lot:
    """A task of a gather of a hundred."""

    async def task() -> None:
        pass

    async def body(n: int) -> None:
        for _ in range(n // CROWD):
            await asyncio.gather(*[task() for _ in range(CROWD)])

    return in_task(loop, body)


# ---- loops, names


def loops(loop: asyncio.AbstractEventLoop) -> Lot:
    """A loop made and closed."""

    def lot(n: int) -> None:
        for _ in range(n):
            goloop.new_event_loop().close()

    return lot


def runs(loop: asyncio.AbstractEventLoop) -> Lot:
    """What asyncio.run does, with a coroutine that does nothing."""

    async def main() -> None:
        pass

    def lot(n: int) -> None:
        for _ in range(n):
            with asyncio.Runner(loop_factory=goloop.new_event_loop) as runner:
                runner.run(main())

    return lot


def getaddrinfo(loop: asyncio.AbstractEventLoop) -> Lot:
    """An address literal and a port."""

    async def body(n: int) -> None:
        for _ in range(n):
            await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)

    return in_task(loop, body)


# ---- messages: there and back between two ends on the loop


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Ping(Echo):
    """Starts the next round when the last has ended, until all are done."""

    def __init__(self, countdown: Countdown) -> None:
        self.countdown = countdown
        self.missing = len(MESSAGE)

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if not self.missing:
            self.missing = len(MESSAGE)
            self.countdown()
            self.transport.write(MESSAGE)


async def connected(pair: tuple[socket.socket, socket.socket], ping: Ping, tls: bool) -> None:
    """Ping and Echo at the ends of a pair of sockets."""
    loop = asyncio.get_running_loop()
    near, far = pair
    context = server_context() if tls else None
    echo = asyncio.ensure_future(loop.connect_accepted_socket(Echo, far, ssl=context))
    if context:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_mode = ssl.CERT_NONE
        await loop.create_connection(lambda: ping, sock=near, ssl=client, server_hostname="localhost")
    else:
        await loop.create_connection(lambda: ping, sock=near)
    await echo


def echo(loop: asyncio.AbstractEventLoop, pairs: int = 1, tls: bool = False) -> Lot:
    """1 KiB through a pair of sockets and back: two reads, two writes."""
    countdown = Countdown(loop)
    pings = [Ping(countdown) for _ in range(pairs)]
    for ping in pings:
        loop.run_until_complete(connected(socket.socketpair(), ping, tls))
    for ping in pings:
        ping.transport.write(MESSAGE)
    return countdown.run


def echo_crowd(loop: asyncio.AbstractEventLoop) -> Lot:
    """The same on ten pairs at once."""
    return echo(loop, pairs=10)


def echo_tls(loop: asyncio.AbstractEventLoop) -> Lot:
    """The same through TLS."""
    return echo(loop, tls=True)


def echo_streams(loop: asyncio.AbstractEventLoop) -> Lot:
    """1 KiB there and back by readexactly, write and drain."""
    near, far = socket.socketpair()

    async def reply() -> None:
        reader, writer = await asyncio.open_connection(sock=far)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def body(n: int) -> None:
        for _ in range(n):
            writer.write(MESSAGE)
            await writer.drain()
            await reader.readexactly(len(MESSAGE))

    kept.append(loop.create_task(reply()))
    reader, writer = loop.run_until_complete(asyncio.open_connection(sock=near))
    return in_task(loop, body)


def request_close_streams(loop: asyncio.AbstractEventLoop) -> Lot:
    """1 KiB sent to a handler with streams, which sends it back and closes; the connections one after the other."""
    countdown = Countdown(loop)
    client: Any = None

    def connect() -> None:
        nonlocal client
        client = socket.socket()
        client.connect(address)
        client.send(MESSAGE)

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(MESSAGE)))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        client.close()
        countdown()
        connect()

    server = loop.run_until_complete(asyncio.start_server(reply, "127.0.0.1", 0))
    kept.append(server)
    address = server.sockets[0].getsockname()
    connect()
    return countdown.run


def echo_sock(loop: asyncio.AbstractEventLoop) -> Lot:
    """1 KiB there and back by sock_sendall and sock_recv."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)

    async def reply() -> None:
        while data := await loop.sock_recv(far, 65536):
            await loop.sock_sendall(far, data)

    async def body(n: int) -> None:
        for _ in range(n):
            await loop.sock_sendall(near, MESSAGE)
            await loop.sock_recv(near, 65536)

    kept.append(loop.create_task(reply()))
    return in_task(loop, body)


def sock_at_once(loop: asyncio.AbstractEventLoop) -> Lot:
    """1 KiB by sock_sendall and sock_recv that never wait."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)

    async def body(n: int) -> None:
        for _ in range(n):
            await loop.sock_sendall(near, MESSAGE)
            await loop.sock_recv(far, 65536)

    return in_task(loop, body)


class Datagrams(asyncio.DatagramProtocol):
    """Sends each datagram back; with a countdown it is the end that counts."""

    transport: asyncio.DatagramTransport

    def __init__(self, countdown: Countdown | None) -> None:
        self.countdown = countdown

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        if self.countdown:
            self.countdown()
        self.transport.sendto(data, address)


def datagrams(loop: asyncio.AbstractEventLoop) -> Lot:
    """1 KiB there and back over UDP and loopback."""
    countdown = Countdown(loop)
    local = ("127.0.0.1", 0)
    server, _ = loop.run_until_complete(
        loop.create_datagram_endpoint(lambda: Datagrams(None), local_addr=local)
    )
    client, _ = loop.run_until_complete(
        loop.create_datagram_endpoint(
            lambda: Datagrams(countdown), remote_addr=server.get_extra_info("sockname")
        )
    )
    client.sendto(MESSAGE)
    return countdown.run


# ---- connections


def accept_close(loop: asyncio.AbstractEventLoop) -> Lot:
    """A connection over loopback accepted and closed, and a plain socket that makes it."""
    countdown = Countdown(loop)
    address: Any = None
    client: Any = None

    def connect() -> None:
        nonlocal client
        client = socket.socket()
        client.connect(address)

    class Close(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.close()

        def connection_lost(self, error: Exception | None) -> None:
            client.close()
            countdown()
            connect()

    server = loop.run_until_complete(loop.create_server(Close, "127.0.0.1", 0))
    address = server.sockets[0].getsockname()
    connect()
    return countdown.run


def connect(loop: asyncio.AbstractEventLoop) -> Lot:
    """create_connection over loopback, and abort; a plain socket accepts and resets."""
    server = socket.create_server(("127.0.0.1", 0))
    host, port = server.getsockname()

    async def body(n: int) -> None:
        for _ in range(n):
            transport, _ = await loop.create_connection(asyncio.Protocol, host, port)
            peer, _ = server.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            transport.abort()
            peer.close()
            await asyncio.sleep(0)

    return in_task(loop, body)


# The least n of a lot: some million instructions, a multiple of CROWD.
OPERATIONS: dict[str, tuple[Operation, int]] = {
    "call-soon": (call_soon, 1000),
    "call-soon-crowd": (call_soon_crowd, 2000),
    "threadsafe-own": (threadsafe_own, 2000),
    "threadsafe-other": (threadsafe_other, 2000),
    "timers-run": (timers_run, 2000),
    "timers-cancel": (timers_cancel, 2000),
    "timers-renewed": (timers_renewed, 2000),
    "timers-soon": (timers_soon, 1000),
    "timers-crowd": (timers_crowd, 2000),
    "sleep0": (sleep0, 1000),
    "tasks": (tasks, 500),
    "gather": (gather, 500),
    "loops": (loops, 50),
    "runs": (runs, 50),
    "getaddrinfo": (getaddrinfo, 500),
    "echo": (echo, 300),
    "echo-crowd": (echo_crowd, 500),
    "echo-streams": (echo_streams, 200),
    "request-close-streams": (request_close_streams, 200),
    "echo-sock": (echo_sock, 200),
    "sock-at-once": (sock_at_once, 500),
    "echo-tls": (echo_tls, 200),
    "datagrams": (datagrams, 300),
    "accept-close": (accept_close, 200),
    "connect": (connect, 100),
}


def main() -> None:
    """Make lots of n and 2n operations in turn, with a mark before and after each."""
    operation, n = OPERATIONS[sys.argv[1]]
    sys.setswitchinterval(1000)  # no thread takes another's turn
    loop = goloop.new_event_loop()
    lot = operation(loop)
    lot(n)
    gc.collect()
    gc.disable()  # it comes after so many objects, in one lot and not in the next
    lot(n)
    mark()
    for i in range(SPANS):
        lot(n * (1 + i % 2))
        mark()
    os._exit(0)  # what is open needs no end


if __name__ == "__main__":
    main()
