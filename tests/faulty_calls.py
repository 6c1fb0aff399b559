"""What a program sees of one call that fails: each scenario runs on asyncio and on goloop, with each errno.

``python faulty_calls.py asyncio|goloop`` prints what became of them, as JSON.
"""

import asyncio
import contextlib
import errno
import json
import os
import socket
import sys

from faulty import OnAsyncio, OnGoloop, pair, told
from programs import until
from protocols import BufferedRecorder, DatagramRecorder, Recorder

ERRNOS = (
    *("EINTR", "EAGAIN", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
    *("ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "EPERM", "EIO"),
)
HELLO = b"hello, whole"
LONG = bytes(range(256)) * 4096


async def settle(protocol, condition):
    """Until the connection is lost or the condition holds; what it was lost with."""
    await until(lambda: condition() or "connection_lost" in protocol.calls)
    if "connection_lost" in protocol.calls:
        return told(protocol.lost_with)
    protocol.transport.close()
    await protocol.lost()
    return "open"


READING = "recv|io_uring recv"
WRITING = "send|sendmsg|io_uring send"


async def read(world, number, protocol_factory=Recorder, after=0):
    ours, peer = pair(world)
    with peer.sock:
        _, protocol = await world.loop.create_connection(protocol_factory, sock=ours)
        sent = HELLO
        if after:
            peer.sock.send(LONG[:after])
            await protocol.received(after)
            sent = LONG[:after] + HELLO
        world.fail(ours, ("recv", "recv_into"), READING, number)
        peer.sock.send(HELLO)
        lost = await settle(protocol, lambda: len(protocol.data) == len(sent))
        return lost, bytes(protocol.data[after:]).decode()


async def read_into_a_buffer(world, number):
    return await read(world, number, BufferedRecorder)


async def read_directly(world, number):
    return await read(world, number, after=100_000)


async def write(world, number):
    ours, peer = pair(world)
    with peer.sock:
        transport, protocol = await world.loop.create_connection(Recorder, sock=ours)
        world.fail(ours, ("send",), WRITING, number)
        transport.write(HELLO)
        lost = await settle(protocol, lambda: peer.take(len(HELLO)))
        peer.take()
        return lost, peer.data.decode()


async def write_what_waits(world, number):
    ours, peer = pair(world)
    with peer.sock:
        transport, protocol = await world.loop.create_connection(Recorder, sock=ours)
        transport.write(LONG)
        assert 0 < transport.get_write_buffer_size() < len(LONG)
        transport.write(HELLO)
        world.fail(ours, ("send", "sendmsg"), WRITING, number)
        whole = LONG + HELLO
        lost = await settle(protocol, lambda: peer.take(len(whole)))
        peer.take()
        return lost, whole.startswith(peer.data), lost == "open" and len(peer.data) == len(whole)


async def accept(world, number):
    plain = socket.create_server(("127.0.0.1", 0))
    plain.setblocking(False)
    listener = world.socket(plain)
    made = []
    server = await world.loop.create_server(lambda: made.append(1) or Recorder(), sock=listener)
    world.fail(listener, ("accept",), "accept", number)
    with socket.create_connection(listener.getsockname()):
        await until(lambda: world.met() and (made or world.reports))
        rests = any("out of system resource" in message for message, _ in world.reports)
        if not rests:
            await until(lambda: made)
    server.close()
    # asyncio tells some of these by the callback that they came out of.
    world.reports = [
        ("accept" if "accept" in message and not rests else message, exc) for message, exc in world.reports
    ]
    return "rests" if rests else "serves"


async def connect(world, number):
    with socket.create_server(("127.0.0.1", 0)) as server:
        plain = socket.socket()
        plain.setblocking(False)
        with world.socket(plain) as ours:
            world.fail(ours, ("connect",), "connect", number)
            try:
                await world.loop.sock_connect(ours, server.getsockname())
            except OSError as exc:
                return told(exc)
            return ours.getpeername() == server.getsockname()


async def datagram_endpoint(world, connected):
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.setblocking(False)
    plain.bind(("127.0.0.1", 0))
    if connected:
        plain.connect(peer.getsockname())
    ours = world.socket(plain)
    transport, protocol = await world.loop.create_datagram_endpoint(DatagramRecorder, sock=ours)
    peer.setblocking(False)
    return ours, transport, protocol, peer


def packets(peer, got):
    with contextlib.suppress(BlockingIOError):
        while True:
            got.append(peer.recv(100).decode())


async def send_datagrams(world, number, connected=True):
    ours, transport, protocol, peer = await datagram_endpoint(world, connected)
    with peer:
        got = []
        world.fail(ours, ("send", "sendto"), "sendto|sendmmsg", number)
        for text in (b"one", b"two", b"three"):
            transport.sendto(text, None if connected else peer.getsockname())
        await until(lambda: packets(peer, got) or "three" in got)
        closing = transport.is_closing()
        transport.close()
        await protocol.lost()
        return got, [told(exc) for exc in protocol.failures], closing


async def send_datagrams_to(world, number):
    return await send_datagrams(world, number, connected=False)


async def receive_datagrams(world, number):
    ours, transport, protocol, peer = await datagram_endpoint(world, False)
    with peer:
        world.fail(ours, ("recvfrom",), "recvmmsg", number)
        peer.sendto(b"one", ours.getsockname())
        await until(lambda: protocol.datagrams)
        closing = transport.is_closing()
        transport.close()
        await protocol.lost()
        return (
            [data.decode() for data, _ in protocol.datagrams],
            [told(exc) for exc in protocol.failures],
            closing,
        )


class PipeRecorder(Recorder):
    """A protocol of either end of a pipe."""


async def read_a_pipe(world, number):
    reading, writing = os.pipe()
    file = open(reading, "rb", 0)  # noqa: SIM115 - the transport closes it
    try:
        _, protocol = await world.loop.connect_read_pipe(PipeRecorder, file)
        world.fail_pipe(file, "read", "read", number)
        os.write(writing, HELLO)
        lost = await settle(protocol, lambda: len(protocol.data) == len(HELLO))
        return lost, bytes(protocol.data).decode()
    finally:
        os.close(writing)


async def write_a_pipe(world, number):
    reading, writing = os.pipe()
    file = open(writing, "wb", 0)  # noqa: SIM115 - the transport closes it
    with open(reading, "rb", 0) as other:
        os.set_blocking(reading, False)
        transport, protocol = await world.loop.connect_write_pipe(PipeRecorder, file)
        world.fail_pipe(file, "write", "write|writev", number)
        transport.write(HELLO)
        got = b""

        def came():
            nonlocal got
            got += other.read() or b""
            return got

        return await settle(protocol, came), (got + (other.read() or b"")).decode()


async def add_a_reader(world, number):
    ours, peer = pair(world)
    with ours, peer.sock:
        ready = asyncio.Event()
        world.fail_selector("register", "epoll_ctl add", number)
        try:
            world.loop.add_reader(ours, ready.set)
        except OSError as exc:
            refused = told(exc)
        else:
            return "watched"
        peer.sock.send(b"x")
        await asyncio.sleep(0.001)
        heard = ready.is_set()
        world.loop.add_reader(ours, ready.set)
        await ready.wait()
        world.loop.remove_reader(ours)
        return refused, heard


async def wait_for_events(world, number):
    # What the wait raises leaves the run: see main.
    world.fail_selector("poll", "epoll_wait|epoll_pwait2|poll|select", number)
    await asyncio.sleep(0.1)
    return "slept"


TRANSIENT = ("EINTR", "EAGAIN")
# Left out is what no system says, what means that a call of Linux 5.11 is not to be had (EPERM of a wait), and
# EAGAIN of connect, which asyncio takes for a beginning.
SCENARIOS = {
    read: ERRNOS,
    read_into_a_buffer: ERRNOS,
    read_directly: ERRNOS,
    write: ERRNOS,
    write_what_waits: ERRNOS,
    accept: ERRNOS,
    connect: [name for name in ERRNOS if name != "EAGAIN"],
    send_datagrams: ERRNOS,
    send_datagrams_to: ERRNOS,
    receive_datagrams: ERRNOS,
    read_a_pipe: ERRNOS,
    write_a_pipe: ERRNOS,
    add_a_reader: [name for name in (*ERRNOS, "ENOSPC") if name not in TRANSIENT],
    wait_for_events: [name for name in (*ERRNOS, "EBADF") if name not in ("EAGAIN", "EPERM")],
}


def run(world_type, scenario, number):
    world = world_type()
    world.reports = []
    world.loop.set_exception_handler(
        lambda loop, context: world.reports.append((context["message"], told(context.get("exception"))))
    )
    try:
        outcome = world.loop.run_until_complete(asyncio.wait_for(scenario(world, number), 5))
    except OSError as exc:
        outcome = ["the run ended", told(exc)]
        for task in asyncio.all_tasks(world.loop):
            task.cancel()
        world.loop.run_until_complete(asyncio.sleep(0.001))
    if not world.met():
        outcome = ["no call met the fault", outcome]
    world.loop.run_until_complete(asyncio.sleep(0))
    world.loop.close()
    return [outcome, world.reports]


def main(name):
    world_type = {"asyncio": OnAsyncio, "goloop": OnGoloop}[name]
    real = os.read, os.write
    outcomes = {}
    run(world_type, read, errno.EIO)  # opens what the process keeps
    before = len(os.listdir("/dev/fd"))
    for scenario, names in SCENARIOS.items():
        for text in names:
            try:
                outcome = run(world_type, scenario, getattr(errno, text))
            except Exception as exc:
                outcome = ["failed", repr(exc)]
            os.read, os.write = real
            outcomes[f"{scenario.__name__} {text}"] = outcome
    outcomes["descriptors"] = len(os.listdir("/dev/fd")) - before
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
