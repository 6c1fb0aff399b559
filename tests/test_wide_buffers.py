"""Buffers whose items are wider than a byte, or that have several dimensions: every byte is sent, once."""

import array
import asyncio
import os
import socket

import pytest

from protocols import BufferedRecorder, DatagramRecorder, Recorder, turns

NUMBERS = array.array("I", range(500_000))  # more than a socket takes at once

BUFFERS = {
    "memoryview of ints": lambda: memoryview(NUMBERS),
    "part of it": lambda: memoryview(NUMBERS)[100:200_100],
    "two dimensions": lambda: memoryview(bytes(range(240)) * 1000).cast("B", [400, 600]),
    "two dimensions of ints": lambda: memoryview(bytes(NUMBERS)).cast("I", [1000, 500]),
    "small": lambda: memoryview(array.array("Q", [1, 2, 3])),
    "read-only": lambda: memoryview(bytes(NUMBERS)).cast("I"),
}
WIDE = pytest.mark.parametrize("kind", BUFFERS)


async def taken(loop, peer, size):
    """What comes out of a socket, and that nothing comes behind it."""
    data = bytearray()
    while len(data) < size:
        piece = await asyncio.wait_for(loop.sock_recv(peer, 1 << 20), 3)
        assert piece, f"{len(data)} bytes of {size}"
        data += piece
    assert await asyncio.wait_for(loop.sock_recv(peer, 1), 3) == b""
    return bytes(data)


@WIDE
def test_sock_sendall(loop, run, tcp_pair, kind):
    async def main():
        ours, peer = tcp_pair()
        data = BUFFERS[kind]()

        async def send():
            await loop.sock_sendall(ours, data)
            ours.shutdown(socket.SHUT_WR)

        sending = loop.create_task(send())
        assert await taken(loop, peer, memoryview(data).nbytes) == bytes(data)
        await sending

    run(main())


def test_sock_sendall_of_an_array(loop, run, tcp_pair):
    """Whatever has a buffer is taken, as by socket.send."""

    async def main():
        ours, peer = tcp_pair()

        async def send():
            await loop.sock_sendall(ours, NUMBERS)
            ours.shutdown(socket.SHUT_WR)

        sending = loop.create_task(send())
        assert await taken(loop, peer, len(bytes(NUMBERS))) == bytes(NUMBERS)
        await sending

    run(main())


def test_sock_sendall_of_a_slice_with_a_step_is_refused(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        with pytest.raises(BufferError):
            await loop.sock_sendall(ours, memoryview(NUMBERS)[::2])

    run(main())


@pytest.mark.since("3.11")
def test_sock_sendto_and_recvfrom_into(loop, run, peer):
    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            data = memoryview(array.array("I", range(100)))
            assert await loop.sock_sendto(sock, data, peer.getsockname()) == 400
            room = array.array("I", bytes(800))
            size, address = await loop.sock_recvfrom_into(peer, room)
            assert (size, bytes(room)[:400]) == (400, bytes(data))
            await loop.sock_sendto(sock, data, peer.getsockname())
            size, _ = await loop.sock_recvfrom_into(peer, room, 100)
            assert size == 100

    run(main())


def test_sock_recv_into(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        peer.send(bytes(range(200)))
        room = array.array("I", bytes(400))
        assert await loop.sock_recv_into(ours, room) == 200
        assert bytes(room)[:200] == bytes(range(200))

    run(main())


@pytest.mark.parametrize("method", ["write", "writelines"])
@WIDE
def test_stream(loop, run, tcp_pair, errors, kind, method):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        data = BUFFERS[kind]()
        if method == "write":
            transport.write(data)
            transport.write(b"end")
        else:
            transport.writelines([data, b"end"])
        transport.close()
        assert await taken(loop, peer, memoryview(data).nbytes + 3) == bytes(data) + b"end"
        await protocol.lost()
        assert errors == []

    run(main())


@pytest.mark.goloop_only  # asyncio's fails for all of them, in ways that leave the loop unusable
@WIDE
def test_pipe(loop, run, pipe, errors, kind):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        receiver, received = await loop.connect_read_pipe(Recorder, reader)
        data = BUFFERS[kind]()
        transport.write(data)
        transport.write(b"end")
        transport.close()
        try:
            await received.lost()
            assert bytes(received.data) == bytes(data) + b"end"
            await protocol.lost()
            assert errors == []
        finally:
            receiver.close()
            transport.abort()
            received.transport = None  # it has no abort()

    run(main())


@pytest.mark.parametrize("kind", ["small", "two dimensions of bytes", "bytearray"])
def test_datagram(loop, run, endpoint, peer, kind):
    async def main():
        data = {
            "small": BUFFERS["small"](),
            "two dimensions of bytes": memoryview(bytes(240)).cast("B", [4, 60]),
            "bytearray": bytearray(b"hello"),
        }[kind]
        transport, _ = await endpoint(DatagramRecorder, remote_addr=peer.getsockname())
        transport.sendto(data)
        await turns(2)
        assert await asyncio.wait_for(loop.sock_recv(peer, 1000), 3) == bytes(data)

    run(main())


@pytest.mark.since("3.11")  # before, asyncio loops for ever
@pytest.mark.parametrize("method", ["write", "writelines"])
@WIDE
def test_tls(loop, run, serve_tls, client_context, kind, method):
    async def main():
        received = Recorder()
        server, port = await serve_tls(lambda: received)
        transport, protocol = await loop.create_connection(
            Recorder, "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        try:
            data = BUFFERS[kind]()
            if method == "write":
                transport.write(data)
                transport.write(b"end")
            else:
                transport.writelines([data, b"end"])
            want = bytes(data) + b"end"
            assert await asyncio.wait_for(received.received(len(want)), 3) == want
        finally:
            transport.abort()
            server.close()
        await protocol.lost()
        await received.lost()

    run(main())


def test_buffered_protocol_may_bring_a_buffer_of_ints(loop, run, tcp_pair):
    class Ints(BufferedRecorder):
        def get_buffer(self, sizehint):
            self.buffer = array.array("I", bytes(400))
            return self.buffer

        def buffer_updated(self, nbytes):
            self.data += bytes(self.buffer)[:nbytes]
            self._record("buffer_updated")

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Ints, sock=ours)
        data = os.urandom(1001)
        await loop.sock_sendall(peer, data)
        assert await protocol.received(1001) == data
        transport.close()
        await protocol.lost()

    run(main())
