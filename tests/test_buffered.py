"""BufferedProtocol: reads go into the protocol's own buffer."""

import array
import mmap
import os

import pytest

from protocols import BufferedRecorder, turns


async def connect(loop, sock, factory=BufferedRecorder):
    transport, protocol = await loop.create_connection(factory, sock=sock)
    return transport, protocol


@pytest.mark.parametrize("size", [1, 7, 1000, 65536, 1 << 20])
def test_buffer_of_any_size_receives_everything(loop, run, tcp_pair, size):
    total = 20_000 if size == 1 else 2 << 20

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connect(loop, ours, lambda: BufferedRecorder(size=size))
        data = os.urandom(total if size > 7 else 20_000)
        sending = loop.create_task(loop.sock_sendall(peer, data))
        assert await protocol.received(len(data)) == data
        await sending
        assert protocol.hints and set(protocol.hints) == {-1}
        transport.close()
        await protocol.lost()

    run(main())


BUFFERS = {
    "bytearray": lambda: bytearray(100),
    "memoryview": lambda: memoryview(bytearray(100)),
    "part of a memoryview": lambda: memoryview(bytearray(100))[10:50],
    "mmap": lambda: mmap.mmap(-1, 100),
    "array": lambda: array.array("b", bytes(100)),
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_get_buffer_may_return(loop, run, tcp_pair, kind):
    class OwnBuffer(BufferedRecorder):
        def get_buffer(self, sizehint):
            self.buffer = BUFFERS[kind]()
            return self.buffer

        def buffer_updated(self, nbytes):
            self.data += memoryview(self.buffer).tobytes()[:nbytes]
            self._record("buffer_updated")
            if kind == "mmap":
                self.buffer.close()

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connect(loop, ours, OwnBuffer)
        data = os.urandom(1000)
        await loop.sock_sendall(peer, data)
        assert await protocol.received(1000) == data
        transport.close()
        await protocol.lost()

    run(main())


def test_buffer_is_let_go_before_buffer_updated(loop, run, tcp_pair):
    class Resizing(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.buffer.extend(b"x")  # BufferError while anyone has exported it

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connect(loop, ours, Resizing)
        for number in range(1, 4):
            await loop.sock_sendall(peer, b"x" * 10)
            await protocol.received(number * 10)
        transport.close()
        await protocol.lost()

    run(main())


class GetBufferFails(BufferedRecorder):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def get_buffer(self, sizehint):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def lost_after_get_buffer(loop, run, tcp_pair, answer):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connect(loop, ours, lambda: GetBufferFails(answer))
        await loop.sock_sendall(peer, b"x")
        exc = await protocol.lost()
        assert protocol.calls == ["connection_made", "connection_lost"]
        assert transport.is_closing()
        return exc

    return run(main())


def test_empty_buffer_ends_the_connection(loop, run, tcp_pair, errors):
    exc = lost_after_get_buffer(loop, run, tcp_pair, bytearray())
    assert type(exc) is RuntimeError
    assert str(exc) == "get_buffer() returned an empty buffer"
    assert errors.messages() == ["Fatal error: protocol.get_buffer() call failed."]
    assert errors[0]["exception"] is exc


def test_exception_in_get_buffer_ends_the_connection(loop, run, tcp_pair, errors):
    exc = lost_after_get_buffer(loop, run, tcp_pair, LookupError("no buffer"))
    assert str(exc) == "no buffer"
    assert errors.messages() == ["Fatal error: protocol.get_buffer() call failed."]


@pytest.mark.parametrize("answer", [None, 42], ids=["None", "int"])
def test_get_buffer_that_returns_no_buffer_ends_the_connection(loop, run, tcp_pair, errors, answer):
    exc = lost_after_get_buffer(loop, run, tcp_pair, answer)
    assert type(exc) is TypeError
    assert errors[0]["exception"] is exc


def test_get_buffer_that_returns_a_read_only_buffer_ends_the_connection(loop, run, tcp_pair, errors):
    exc = lost_after_get_buffer(loop, run, tcp_pair, b"read only")
    assert type(exc) in (TypeError, BufferError)
    assert errors[0]["exception"] is exc


def test_paused_buffered_protocol_is_asked_for_no_buffer(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await connect(loop, ours)
        transport.pause_reading()
        await turns(2)
        protocol.hints.clear()
        await loop.sock_sendall(peer, b"hello")
        await turns(10)
        assert protocol.hints == []
        transport.resume_reading()
        assert await protocol.received(5) == b"hello"
        transport.close()
        await protocol.lost()

    run(main())


def test_close_in_buffer_updated_stops_the_reading(loop, run, tcp_pair):
    class Once(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.transport.close()

    async def main():
        ours, peer = tcp_pair()
        await loop.sock_sendall(peer, b"x" * 5000)
        _, protocol = await connect(loop, ours, Once)
        assert await protocol.lost() is None
        assert len(protocol.data) == 1000

    run(main())


def test_two_buffered_protocols_do_not_share_reads(loop, run, tcp_pair):
    async def main():
        ends = []
        for number in range(20):
            ours, peer = tcp_pair()
            ends.append((number, peer, *await connect(loop, ours, lambda: BufferedRecorder(size=50))))
        for number, peer, _, _ in ends:
            await loop.sock_sendall(peer, bytes([number]) * 1000)
        for number, _, transport, protocol in ends:
            assert await protocol.received(1000) == bytes([number]) * 1000
            transport.close()
            await protocol.lost()

    run(main())
