"""Ends of a connected socket, one class for each of asyncio's ways to use it.

An end has read() (b"" at the end of the stream), write(data), which returns when more may be written, close(), which
sends what was written first, drop(), which does not, gone(), which waits for the end of both, and half_close(), which is
False where it cannot.
"""

import asyncio
import socket
import struct


def close_in_time(loop, transport, may_abort=True):
    """Close, and abort what cannot be sent because the peer, for its part, waits until somebody reads."""
    transport.close()
    if may_abort:
        loop.call_later(2, transport.abort)


class SockEnd:
    """`sock_recv`, `sock_recv_into` and `sock_sendall`; now and then a wait that is cancelled and begun again."""

    def __init__(self, loop, sock, rng, gentle, link):
        self._loop, self._sock, self._rng, self._gentle, self._link = loop, sock, rng, gentle, link

    async def read(self):
        size = self._rng.choice((1, 100, 4096, 1 << 18))
        if not self._gentle and self._rng.random() < 0.1:
            data = await self._after_a_cancelled_wait()
            if data is not None:
                return data
        if self._rng.random() < 0.3:
            buffer = bytearray(size)
            return bytes(buffer[: await self._loop.sock_recv_into(self._sock, buffer)])
        return await self._loop.sock_recv(self._sock, size)

    async def _after_a_cancelled_wait(self):
        """What came before the wait was cancelled, or None: a call that is cancelled takes nothing."""
        task = self._loop.create_task(self._loop.sock_recv(self._sock, 100))
        try:
            for _ in range(self._rng.randrange(3)):
                await asyncio.sleep(0)
        finally:
            task.cancel()
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    async def write(self, data):
        await self._loop.sock_sendall(self._sock, data)

    def half_close(self):
        self._sock.shutdown(socket.SHUT_WR)
        return True

    def close(self):
        self._sock.close()

    async def gone(self):
        pass

    def drop(self):
        if self._rng.random() < 0.5 and self._sock.family != socket.AF_UNIX:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


class WatchEnd(SockEnd):
    """The socket's own methods, and `add_reader` and `add_writer`."""

    async def read(self):
        while True:
            try:
                return self._sock.recv(self._rng.choice((7, 4096, 1 << 18)))
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)

    async def write(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def _ready(self, add, remove):
        ready = self._loop.create_future()
        add(self._sock, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            remove(self._sock)


class TransportEnd:
    """What ends over transports have in common: a protocol that keeps what comes, pauses at random, and can wait."""

    def __init__(self, loop, rng, reads=True, writes=True):
        self._loop, self._rng, self._reads, self._writes = loop, rng, reads, writes
        self._data = bytearray()
        self._eof = False
        self._error = None
        self._gone = False
        self._paused = False
        self._waiters = []
        self._resuming = None
        self.transport = None
        self.made = lambda end: None  # called by connection_made

    def _wake(self):
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _woken(self):
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def connection_made(self, transport):
        assert self.transport in (None, transport)
        self.transport = transport
        if self._writes and self._rng.random() < 0.2:
            # Not 0 under TLS: asyncio.sslproto pauses at the limit, so with nothing that could end the pause.
            tls = transport.get_extra_info("sslcontext") is not None
            transport.set_write_buffer_limits(self._rng.choice((1 if tls else 0, 1000, 1 << 20)))
        if self._reads and self._rng.random() < 0.1:
            self._pause()
        self.made(self)

    def _pause(self):
        if self._resuming is None and not self.transport.is_closing():
            self.transport.pause_reading()
            self._resuming = self._loop.call_later(self._rng.choice((0, 0.001, 0.01)), self._resume)

    def _resume(self):
        self._resuming = None
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _came(self, data):
        assert not self._gone and not self._eof
        self._data += data
        if self._rng.random() < 0.1:
            self._pause()
        self._wake()

    def eof_received(self):
        assert not self._gone and not self._eof
        self._eof = True
        self._wake()
        return self.transport.get_extra_info("sslcontext") is None  # TLS cannot stay open

    def connection_lost(self, exc):
        assert not self._gone
        self._gone, self._error = True, exc
        if self._resuming is not None:
            self._resuming.cancel()
        self._wake()

    def pause_writing(self):
        assert not self._paused
        self._paused = True

    def resume_writing(self):
        assert self._paused
        self._paused = False
        self._wake()

    async def read(self):
        while not self._data:
            if self._error:
                raise self._error
            if self._eof or self._gone:
                return b""
            await self._woken()
        data = bytes(self._data)
        self._data.clear()
        return data

    async def write(self, data):
        if self._rng.random() < 0.2:
            middle = self._rng.randrange(len(data))
            self.transport.writelines([data[:middle], memoryview(data)[middle:]])
        else:
            self.transport.write(bytearray(data) if self._rng.random() < 0.2 else data)
        if self._rng.random() < 0.05:
            self.transport.get_write_buffer_size()
        while self._paused and not self._gone:
            await self._woken()
        if self._gone:
            raise self._error or ConnectionResetError("connection lost while writing")

    def half_close(self):
        if not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def close(self):
        self.transport.close()

    async def gone(self):
        while not self._gone:
            await self._woken()

    def __repr__(self):
        state = {
            name: value for name, value in vars(self).items() if name not in ("_rng", "_loop", "_buffer")
        }
        return f"<{type(self).__name__} {state}>"

    def drop(self):
        if self._writes and self._rng.random() < 0.5:
            self.transport.abort()
        else:
            close_in_time(self._loop, self.transport, self._writes and self._reads)


class ProtocolEnd(TransportEnd, asyncio.Protocol):
    def data_received(self, data):
        self._came(data)
        if self._rng.random() < 0.02 and not self.transport.is_closing():
            self.transport.set_protocol(self)


class BufferedEnd(TransportEnd, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self._buffer = bytearray(self._rng.choice((1, 1000, 1 << 16, 1 << 18)))
        return memoryview(self._buffer) if self.views else self._buffer

    def buffer_updated(self, nbytes):
        assert 0 < nbytes <= len(self._buffer)
        self._came(self._buffer[:nbytes])


class StreamEnd:
    """StreamReader and StreamWriter."""

    def __init__(self, loop, rng):
        self._loop, self._rng = loop, rng
        self.made = lambda end: None  # called once connected
        reader = asyncio.StreamReader(limit=rng.choice((1000, 1 << 16)), loop=loop)
        self.protocol = asyncio.StreamReaderProtocol(reader, self._connected, loop=loop)

    def _connected(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.made(self)

    async def read(self):
        return await self.reader.read(self._rng.choice((1, 100, 1 << 16)))

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    def half_close(self):
        if not self.writer.can_write_eof():
            return False
        self.writer.write_eof()
        return True

    def close(self):
        self.writer.close()

    async def gone(self):
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    def drop(self):
        if self._rng.random() < 0.5:
            self.writer.transport.abort()
        else:
            close_in_time(self._loop, self.writer.transport)
