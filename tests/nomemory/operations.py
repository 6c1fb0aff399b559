"""What ``run.py`` does while memory is short: each public operation of a loop, and what must be true after it."""

import asyncio
import contextlib
import gc
import io
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from attempt import Echo, Filler, Packets, Taker, Wrong

DATA = bytes(range(256)) * 16


# ---- the operations ----


def make_loop(attempt):
    attempt.fail()
    try:
        loop = attempt.new_loop()
    finally:
        attempt.feed()
    attempt.loop = loop
    attempt.run(asyncio.sleep(0))


def schedule(attempt):
    loop, ran = attempt.open(), []

    async def main():
        loop.call_soon(ran.append, 1)
        loop.call_soon_threadsafe(ran.append, 2)
        timer = loop.call_later(0, ran.append, 3)
        loop.call_at(loop.time(), ran.append, 4)
        loop.call_later(1000, ran.append, 5).cancel()
        while timer.when() > loop.time() or len(ran) < 4:
            await asyncio.sleep(0)

    attempt.starve(main())
    if sorted(ran) != [1, 2, 3, 4]:
        raise Wrong(f"ran {ran}")


def many_timers(attempt):
    loop, ran = attempt.open(), []

    async def main():
        for number in range(300):
            loop.call_later(0, ran.append, number)
        while len(ran) < 300:
            await asyncio.sleep(0)

    attempt.starve(main())


def watch(attempt):
    loop = attempt.open()
    ours, peer = attempt.pair()

    async def main():
        ready = loop.create_future()
        loop.add_reader(ours, lambda: ready.done() or ready.set_result(None))
        loop.add_writer(ours, lambda: loop.remove_writer(ours))
        peer.send(b"x")
        await ready
        loop.remove_reader(ours)

    attempt.starve(main())


def sockets(attempt):
    loop = attempt.open()
    ours, peer = attempt.pair()

    async def main():
        receiving = loop.create_task(loop.sock_recv(ours, 100))
        await asyncio.sleep(0)
        await loop.sock_sendall(peer, b"hello")
        return await receiving

    if attempt.starve(main()) != b"hello":
        raise Wrong("not what was sent")


def received(attempt, factory, resume=False):
    """A stream that goes on has no gap, and one that has a gap ends with an error."""
    attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(attempt.loop.create_connection(factory, sock=ours))
    attempt.settle(2)
    peer.send(DATA[:1500])

    async def main():
        if resume:
            attempt.loop.call_soon(transport.pause_reading)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            transport.resume_reading()
        while len(b"".join(protocol.data)) < 1500 and not protocol.lost:
            await asyncio.sleep(0)

    try:
        attempt.starve(main())
    finally:
        with contextlib.suppress(OSError):
            peer.send(DATA[1500:])
        attempt.settle(2)  # a pause may still be to come
        if resume and not transport.is_closing():
            transport.resume_reading()
        attempt.settle()
        got = b"".join(protocol.data)
        if got != DATA and not (protocol.lost and DATA.startswith(got)):
            raise Wrong(f"{len(got)} bytes of {len(DATA)}, lost {protocol.lost}, told {attempt.told}")
        transport.abort()
        attempt.settle(2)
        attempt.expect_lost(protocol)


def receive(attempt):
    received(attempt, Taker)


def receive_buffered(attempt):
    received(attempt, Filler)


def receive_after_pause(attempt):
    received(attempt, Taker, resume=True)


def receive_much(attempt):
    """Enough for reads straight into the final object."""
    attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(attempt.loop.create_connection(Taker, sock=ours))
    data = DATA * 200
    sent = 0

    async def send(until):
        nonlocal sent
        while sent < until and not protocol.lost:
            try:
                sent += peer.send(data[sent:until])
            except BlockingIOError:
                await asyncio.sleep(0)

    attempt.run(send(len(data) // 2))

    try:
        attempt.starve(send(len(data)))
    finally:
        with contextlib.suppress(OSError):
            attempt.run(send(len(data)))
        attempt.settle()
        got = b"".join(protocol.data)
        if got != data and not (protocol.lost and data.startswith(got)):
            raise Wrong(f"{len(got)} bytes of {len(data)}, lost {protocol.lost}")


def end_of_file(attempt):
    attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(attempt.loop.create_connection(Taker, sock=ours))
    attempt.settle(2)
    peer.close()

    async def main():
        while not protocol.lost:
            await asyncio.sleep(0)

    try:
        attempt.starve(main())
    finally:
        attempt.settle()
        attempt.expect_lost(protocol)


def write(attempt):
    loop = attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(loop.create_connection(Taker, sock=ours))
    written = []

    def send(method, piece):
        method(piece)
        written.append(piece if isinstance(piece, bytes) else b"".join(piece))

    async def main():
        send(transport.write, b"one")
        transport.get_write_buffer_size()
        send(transport.writelines, [b"two", b"three"])
        send(transport.write, DATA * 100)
        await asyncio.sleep(0)
        transport.get_extra_info("peername")
        send(transport.write, b"four")
        transport.close()
        while not protocol.lost:
            await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                taken.append(peer.recv(1 << 20))

    taken = []
    try:
        attempt.starve(main())
    finally:
        transport.close()
        for _ in range(50):
            attempt.settle(1)
            with contextlib.suppress(BlockingIOError):
                taken.append(peer.recv(1 << 20))
        attempt.expect_lost(protocol)


def serve(attempt):
    loop = attempt.open()

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        try:
            transport, protocol = await loop.create_connection(Taker, *server.sockets[0].getsockname())
            transport.write(b"hello")
            while b"".join(protocol.data) != b"hello" and not protocol.lost:
                await asyncio.sleep(0)
            transport.close()
        finally:
            server.close()

    attempt.starve(main())


def serve_unix(attempt):
    loop = attempt.open()
    path = f"/tmp/nomemory-{os.getpid()}"
    attempt.cleanup.callback(lambda: os.path.exists(path) and os.unlink(path))

    async def main():
        server = await loop.create_unix_server(Echo, path)
        try:
            transport, protocol = await loop.create_unix_connection(Taker, path)
            transport.write(b"hello")
            while b"".join(protocol.data) != b"hello" and not protocol.lost:
                await asyncio.sleep(0)
            transport.close()
        finally:
            server.close()

    attempt.starve(main())


def streams(attempt):
    attempt.open()

    async def answer(reader, writer):
        try:
            writer.write(await reader.readline())
            await writer.drain()
        finally:
            writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        try:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            await writer.drain()
            line = await reader.readline()
            writer.close()
            return line
        finally:
            server.close()

    if attempt.starve(main()) not in (b"hello\n", b""):
        raise Wrong("not what was sent")


def pipes(attempt):
    loop = attempt.open()
    reader, writer = (os.fdopen(fd, mode, 0) for fd, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    attempt.cleanup.callback(reader.close)
    attempt.cleanup.callback(writer.close)

    async def main():
        ours, protocol = await loop.connect_read_pipe(Taker, reader)
        theirs, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writer)
        theirs.write(DATA)
        while len(b"".join(protocol.data)) < len(DATA) and not protocol.lost:
            await asyncio.sleep(0)
        theirs.close()
        while not protocol.lost:
            await asyncio.sleep(0)
        ours.close()

    attempt.starve(main())


def datagrams(attempt):
    loop = attempt.open()

    async def main():
        ours, protocol = await loop.create_datagram_endpoint(Packets, local_addr=("127.0.0.1", 0))
        theirs, answers = await loop.create_datagram_endpoint(
            Packets, remote_addr=ours.get_extra_info("sockname")
        )
        try:
            while not protocol.packets:
                theirs.sendto(b"hello")
                await asyncio.sleep(0)
            ours.sendto(b"answer", theirs.get_extra_info("sockname"))
            await asyncio.sleep(0)
        finally:
            ours.close()
            theirs.close()

    attempt.starve(main())


def datagrams_held(attempt):
    loop = attempt.open()
    ours, protocol = attempt.run(loop.create_datagram_endpoint(Packets, local_addr=("127.0.0.1", 0)))
    peer = attempt.cleanup.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    peer.connect(ours.get_extra_info("sockname"))

    async def main():
        for number in range(3):
            peer.send(b"%d" % number)
        loop.call_soon(ours.pause_reading)
        await asyncio.sleep(0.001)
        ours.resume_reading()
        await asyncio.sleep(0.001)

    try:
        attempt.starve(main())
    finally:
        attempt.settle(2)  # the pause may still be to come
        ours.resume_reading()
        peer.send(b"last")
        attempt.settle()
        numbered = [packet for packet in protocol.packets if packet != b"last"]
        if b"last" not in protocol.packets or numbered != sorted(numbered):
            raise Wrong(f"{protocol.packets}, told {attempt.told}")


def names(attempt):
    loop = attempt.open()

    async def main():
        await loop.getaddrinfo("127.0.0.1", 80)
        for _ in range(3):  # by libc; as libc has answered
            await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        await loop.getnameinfo(("127.0.0.1", 80))

    attempt.starve(main())


def child(attempt):
    attempt.open()

    async def main():
        process = await asyncio.create_subprocess_exec("true", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return (await process.communicate(b"x"), process.returncode)

    attempt.starve(main())


def executor(attempt):
    loop = attempt.open()

    async def main():
        return await loop.run_in_executor(None, int, "7")

    try:
        attempt.starve(main())
    finally:
        with contextlib.suppress(Exception):
            attempt.run(loop.shutdown_default_executor())


def signals(attempt):
    loop = attempt.open()

    async def main():
        ready = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, lambda: ready.done() or ready.set_result(None))
        os.kill(os.getpid(), signal.SIGUSR1)
        await ready
        loop.remove_signal_handler(signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, lambda number, frame: None)
    attempt.starve(main())


def clock(attempt):
    """A loop with a time() of its own, which keeps its timers elsewhere."""
    loop, ran = attempt.open(), []

    async def main():
        timer = loop.call_later(0.002, ran.append, 1)
        loop.time = time.monotonic
        while not ran:
            await asyncio.sleep(0.001)
        del loop.time
        timer.cancel()

    attempt.starve(main())


def close(attempt):
    loop = attempt.open()
    ours, peer = attempt.pair()
    attempt.run(loop.create_connection(Taker, sock=ours))
    loop.call_later(1000, print)
    loop.call_soon(print)
    attempt.fail()
    try:
        loop.close()
    finally:
        attempt.feed()


def flow_control(attempt):
    loop = attempt.open()
    ours, peer = attempt.pair()

    class Counter(Taker):
        paused = resumed = 0

        def pause_writing(self):
            self.paused += 1

        def resume_writing(self):
            self.resumed += 1

    transport, protocol = attempt.run(loop.create_connection(Counter, sock=ours))

    async def main():
        transport.set_write_buffer_limits(high=1000, low=10)
        transport.writelines([bytearray(DATA), memoryview(DATA), b"", DATA * 100])
        transport.get_write_buffer_limits()
        while not protocol.resumed:
            await asyncio.sleep(0)
            with contextlib.suppress(BlockingIOError):
                peer.recv(1 << 20)
        transport.write_eof()
        await asyncio.sleep(0)

    try:
        attempt.starve(main())
    finally:
        for _ in range(20):
            attempt.settle(1)
            with contextlib.suppress(BlockingIOError):
                peer.recv(1 << 20)
        if protocol.resumed < protocol.paused and not (protocol.lost or attempt.told or attempt.raised):
            raise Wrong(f"paused {protocol.paused} times, resumed {protocol.resumed} times")
        transport.abort()
        attempt.settle(2)
        attempt.expect_lost(protocol)


def peer_gone(attempt):
    """A write to a connection that the peer has reset."""
    loop = attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(loop.create_connection(Taker, sock=ours))
    peer.send(b"x")
    attempt.settle(2)
    transport.write(b"unread")
    peer.close()

    async def main():
        transport.write(b"lost")
        while not protocol.lost:
            await asyncio.sleep(0)

    try:
        attempt.starve(main())
    finally:
        attempt.settle()
        transport.abort()
        attempt.settle(2)
        attempt.expect_lost(protocol)


def refused(attempt):
    loop = attempt.open()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()

    async def main():
        with contextlib.suppress(ConnectionError):
            await loop.create_connection(Taker, *address)
        with socket.socket() as sock, contextlib.suppress(ConnectionError):
            sock.setblocking(False)
            await loop.sock_connect(sock, address)

    attempt.starve(main())


def accept(attempt):
    loop = attempt.open()
    listener = attempt.cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))
    listener.setblocking(False)

    async def main():
        with socket.socket() as sock:
            sock.setblocking(False)
            accepting = loop.create_task(loop.sock_accept(listener))
            await loop.sock_connect(sock, listener.getsockname())
            accepted, _ = await accepting
            accepted.close()

    attempt.starve(main())


def sendfile(attempt):
    loop = attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(loop.create_connection(Taker, sock=ours))
    file = attempt.cleanup.enter_context(io.BytesIO(pathlib.Path(__file__).read_bytes()))

    async def main():
        transport.write(DATA)
        await loop.sendfile(transport, file, 0, 1000)
        transport.close()

    attempt.starve(main())


def forgotten(attempt):
    """Transports that nobody closed."""
    loop = attempt.open()
    ours, peer = attempt.pair()
    transport, protocol = attempt.run(loop.create_connection(Taker, sock=ours))
    attempt.settle(1)
    transport.pause_reading()
    attempt.settle(1)
    protocol.transport = None
    attempt.fail()
    try:
        del transport, protocol
        gc.collect()
    finally:
        attempt.feed()


def datagrams_by_path(attempt):
    loop = attempt.open()
    folder = attempt.cleanup.enter_context(tempfile.TemporaryDirectory())
    paths = [f"{folder}/{number}" for number in range(2)]

    async def main():
        ours, protocol = await loop.create_datagram_endpoint(
            Packets, local_addr=paths[0], family=socket.AF_UNIX
        )
        theirs, _ = await loop.create_datagram_endpoint(Packets, local_addr=paths[1], family=socket.AF_UNIX)
        try:
            while not protocol.packets:
                theirs.sendto(bytearray(b"hello"), paths[0])
                await asyncio.sleep(0)
            theirs.sendto(b"nowhere", folder)
            await asyncio.sleep(0)
        finally:
            ours.close()
            theirs.close()

    attempt.starve(main())


OPERATIONS = {
    operation.__name__: operation
    for operation in (
        *(make_loop, schedule, many_timers, watch, sockets, receive, receive_buffered, receive_after_pause),
        *(
            receive_much,
            end_of_file,
            write,
            serve,
            serve_unix,
            streams,
            pipes,
            datagrams,
            datagrams_held,
            names,
        ),
        *(child, executor, signals, clock, close, flow_control, peer_gone, refused),
        *(accept, sendfile, forgotten, datagrams_by_path),
    )
}
