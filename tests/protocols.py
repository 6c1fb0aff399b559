"""Protocols that record what a transport tells them, and let a test wait for it."""

import asyncio
import socket
import struct
import weakref

_recordings = weakref.WeakSet()


class _Recording:
    """Records the names of its callbacks in `calls`; a run of equal data callbacks counts once.

    keep_open is what eof_received returns. `errors` maps a callback's name to an exception it raises once.
    """

    def __init__(self, *, keep_open=None, errors=()):
        self.calls = []
        self.data = bytearray()
        self.transport = None
        self.lost_with = "not lost"
        self.paused = False
        self._keep_open = keep_open
        self._errors = dict(errors)
        self._waiters = []
        _recordings.add(self)

    def _record(self, name):
        if self.calls[-1:] != [name] or name not in ("data_received", "buffer_updated"):
            self.calls.append(name)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if name in self._errors:
            raise self._errors.pop(name)

    async def until(self, condition):
        """Wait until a callback has made condition() true."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def received(self, size):
        await self.until(lambda: len(self.data) >= size)
        return bytes(self.data)

    async def called(self, name):
        await self.until(lambda: name in self.calls)

    async def lost(self):
        await self.called("connection_lost")
        return self.lost_with

    def connection_made(self, transport):
        self.transport = transport
        self._record("connection_made")

    def eof_received(self):
        self._record("eof_received")
        return self._keep_open

    def connection_lost(self, exc):
        self.lost_with = exc
        self._record("connection_lost")

    def pause_writing(self):
        self.paused = True
        self._record("pause_writing")

    def resume_writing(self):
        self.paused = False
        self._record("resume_writing")


class Recorder(_Recording, asyncio.Protocol):
    def data_received(self, data):
        assert type(data) is bytes
        self.data += data
        self._record("data_received")


class BufferedRecorder(_Recording, asyncio.BufferedProtocol):
    def __init__(self, *, size=1000, **options):
        super().__init__(**options)
        self.buffer = bytearray(size)
        self.hints = []

    def get_buffer(self, sizehint):
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data += self.buffer[:nbytes]
        self._record("buffer_updated")


class DatagramRecorder(_Recording, asyncio.DatagramProtocol):
    """Records what came as `datagrams`, pairs of data and address, and what failed as `failures`."""

    def __init__(self, **options):
        super().__init__(**options)
        self.datagrams = []
        self.failures = []

    def datagram_received(self, data, addr):
        assert type(data) is bytes
        self.datagrams.append((data, addr))
        self._record("datagram_received")

    def error_received(self, exc):
        self.failures.append(exc)
        self._record("error_received")

    async def arrived(self, count):
        """Wait for `count` datagrams and return the data of all that came."""
        await self.until(lambda: len(self.datagrams) >= count)
        return [data for data, _ in self.datagrams]

    async def failed(self):
        await self.until(lambda: self.failures)
        return self.failures[-1]


class DatagramEcho(DatagramRecorder):
    """Sends back what it receives."""

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)
        super().datagram_received(data, addr)


class Echo(Recorder):
    """Writes back what it receives."""

    def data_received(self, data):
        self.transport.write(data)
        super().data_received(data)


def abort_all(loop):
    """Abort what a failed test has left open, so that the next test does not hear of it."""
    for protocol in list(_recordings):
        transport = protocol.transport
        if transport is not None:
            getattr(transport, "abort", transport.close)()
    for _ in range(3):
        if not loop.is_closed():
            loop.stop()
            loop.run_forever()


def reset(sock):
    """Close the socket so that its peer gets a TCP RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def has_ipv6():
    """Whether ::1 can be bound."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def sockname(transport):
    return transport.get_extra_info("sockname")


async def turns(count):
    """Let the loop take `count` turns."""
    for _ in range(count):
        await asyncio.sleep(0)


async def fill(transport, protocol, chunk=b"x" * 65536):
    """Write until the protocol is paused; returns what was written."""
    written = bytearray()
    while not protocol.paused:
        transport.write(chunk)
        written += chunk
        await asyncio.sleep(0)
    return bytes(written)
