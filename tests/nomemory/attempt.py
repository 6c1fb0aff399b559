"""One run of an operation while memory is short, and the protocols that it uses."""

import asyncio
import contextlib
import socket

PATIENCE = 5  # seconds that one attempt may take
GIVE_UP = 0.25  # seconds after which a loop is stopped in which a callback was lost


class Wrong(Exception):
    """What no lack of memory excuses."""


class Taker(asyncio.Protocol):
    def __init__(self):
        self.data, self.lost, self.eof, self.transport = [], [], False, None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.data.append(data)

    def eof_received(self):
        self.eof = True

    def connection_lost(self, exc):
        self.lost.append(exc)


class Filler(asyncio.BufferedProtocol):
    """Takes 300 bytes at a time."""

    def __init__(self):
        Taker.__init__(self)
        self.buffer = bytearray(300)

    connection_made, connection_lost, eof_received = (
        Taker.connection_made,
        Taker.connection_lost,
        Taker.eof_received,
    )

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        self.data.append(bytes(self.buffer[:nbytes]))


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Packets(asyncio.DatagramProtocol):
    def __init__(self):
        self.packets, self.errors = [], []

    def datagram_received(self, data, addr):
        self.packets.append(data)

    def error_received(self, exc):
        self.errors.append(exc)


class Attempt:
    """One run of an operation. Between ``fail()`` and ``feed()`` memory is short."""

    def __init__(self, new_loop, fail, feed):
        self.new_loop, self.fail, self.feed = new_loop, fail, feed
        self.told = []  # contexts of the exception handler
        self.loop, self.raised = None, False
        self.cleanup = contextlib.ExitStack()

    def open(self):
        self.loop = self.new_loop()
        self.loop.set_exception_handler(lambda loop, context: self.told.append(context))
        asyncio.set_event_loop(self.loop)
        return self.loop

    def run(self, coroutine):
        """The result of a coroutine that has memory."""
        return self.loop.run_until_complete(asyncio.wait_for(coroutine, PATIENCE))

    def starve(self, coroutine):
        """Run a coroutine in which allocations fail; a loop in which a callback was lost is stopped."""
        task = self.loop.create_task(coroutine)
        # Several, for lack of memory may meet one of them as well.
        stops = [self.loop.call_later(GIVE_UP + number / 100, self.loop.stop) for number in range(8)]
        self.fail()
        try:
            return self.loop.run_until_complete(task)
        except BaseException:
            self.raised = True
            raise
        finally:
            self.feed()
            for stop in stops:
                stop.cancel()

    def pair(self):
        ours, peer = socket.socketpair()
        for sock in (ours, peer):
            sock.setblocking(False)
            self.cleanup.callback(sock.close)
        return ours, peer

    def settle(self, turns=8):
        """Some turns with memory, whatever they raise that lack of it explains."""
        for _ in range(turns):
            try:
                self.run(asyncio.sleep(0.001))
            except (MemoryError, RuntimeError, asyncio.TimeoutError):
                pass

    def expect_lost(self, protocol):
        """A connection has ended once; a callback that could not be called was told of."""
        if len(protocol.lost) != 1 and (protocol.lost or not (self.told or self.raised)):
            raise Wrong(f"connection_lost was called with {protocol.lost}")

    def close(self):
        self.cleanup.close()
        loop, self.loop = self.loop, None
        if loop is None:
            return
        for task in asyncio.all_tasks(loop):
            task.cancel()
        for _ in range(3):
            try:
                loop.run_until_complete(asyncio.sleep(0.001))
            except (MemoryError, RuntimeError, asyncio.CancelledError):
                pass
        loop.close()
