"""Ends whose messages are datagrams, and ends of two pipes; see ends.py for what an end has."""

import asyncio
import os
import socket
import sys
from collections import deque

from ends import ProtocolEnd


class EndpointEnd(asyncio.DatagramProtocol):
    """create_datagram_endpoint()."""

    def __init__(self, loop, peer):
        self._loop, self._peer = loop, peer
        self._came = deque()
        self._waiter = None
        self._error = None
        self._paused = self._gone = False
        self.transport = None

    def _wake(self):
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _woken(self):
        self._waiter = self._loop.create_future()
        await self._waiter

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self._came.append(data)
        self._wake()

    def error_received(self, exc):
        self._error = exc
        self._wake()

    def connection_lost(self, exc):
        self._gone, self._error = True, exc or ConnectionResetError("connection lost")
        self._wake()

    def pause_writing(self):
        self._paused = True

    def resume_writing(self):
        self._paused = False
        self._wake()

    async def read(self):
        while not self._came:
            if self._error:
                raise self._error
            await self._woken()
        return self._came.popleft()

    async def write(self, data):
        self.transport.sendto(data, self._peer)
        while self._paused:
            await self._woken()

    def half_close(self):
        return False

    def close(self):
        self.transport.close()

    async def gone(self):
        while not self._gone:
            await self._woken()

    def drop(self):
        self.transport.abort()


class DatagramSockEnd:
    """`sock_recvfrom` and `sock_sendto`, or until 3.10 `sock_recv` and `sock_sendall`, of a connected socket."""

    def __init__(self, loop, sock, peer):
        self._loop, self._sock, self._peer = loop, sock, peer

    async def read(self):
        if sys.version_info < (3, 11):
            return await self._loop.sock_recv(self._sock, 1 << 16)
        return (await self._loop.sock_recvfrom(self._sock, 1 << 16))[0]

    async def write(self, data):
        if sys.version_info < (3, 11) or self._peer is None:
            return await self._loop.sock_sendall(self._sock, data)
        assert await self._loop.sock_sendto(self._sock, data, self._peer) == len(data)

    def half_close(self):
        return False

    def close(self):
        self._sock.close()

    async def gone(self):
        pass

    drop = close


def udp_sockets(number):
    """Two UDP sockets, each connected to the other. The addresses are the link's own: a port's next owner has another."""
    socks = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
    for side, sock in enumerate(socks):
        sock.setblocking(False)
        sock.bind((f"127.{1 + side}.{number >> 8 & 255}.{number & 255}", 0))
    for sock, peer in zip(socks, reversed(socks)):
        sock.connect(peer.getsockname())
    return socks


def unix_datagram_sockets(folder, number):
    """Two Unix datagram sockets with names, each connected to the other."""
    socks = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    names = [os.path.join(folder, f"{number}-{side}") for side in range(2)]
    for sock, name in zip(socks, names):
        sock.setblocking(False)
        sock.bind(name)
    for sock, name in zip(socks, reversed(names)):
        sock.connect(name)
    for name in names:
        os.unlink(name)
    return socks


async def datagram_end(loop, sock, rng):
    if rng.random() < 0.5:
        peer = sock.getpeername() if sock.family == socket.AF_INET and rng.random() < 0.5 else None
        return DatagramSockEnd(loop, sock, peer)
    end = EndpointEnd(loop, None)
    try:
        await loop.create_datagram_endpoint(lambda: end, sock=sock)
    except asyncio.CancelledError:
        sock.close()
        raise
    return end


class PipeEnd:
    """A reading transport of one pipe and a writing transport of another."""

    def __init__(self, reader, writer, rng):
        self._reader, self._writer, self._rng = reader, writer, rng
        self.read, self.write = reader.read, writer.write

    def half_close(self):
        return False

    def close(self):
        self._reader.close()
        self._writer.close()

    async def gone(self):
        await self._reader.gone()
        await self._writer.gone()

    def drop(self):
        self._reader.close()
        if not self._writer.transport.is_closing():
            self._writer.drop()


def pipe_files():
    """The files of two pipes: ((reading, writing) of one side, those of the other)."""
    (first, first_in), (second, second_in) = os.pipe(), os.pipe()
    return [
        (open(reading, "rb", 0), open(writing, "wb", 0))
        for reading, writing in ((first, second_in), (second, first_in))
    ]


async def pipe_end(loop, files, rng):
    reader, writer = ProtocolEnd(loop, rng, writes=False), ProtocolEnd(loop, rng, reads=False)
    try:
        await loop.connect_read_pipe(lambda: reader, files[0])
        await loop.connect_write_pipe(lambda: writer, files[1])
    except asyncio.CancelledError:
        for end, file in zip((reader, writer), files):
            if end.transport is None:
                file.close()
            else:
                end.drop()
        raise
    return PipeEnd(reader, writer, rng)
