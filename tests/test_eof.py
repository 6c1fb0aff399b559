"""End of file: write_eof, eof_received, half-closed connections."""

import asyncio
import os
import sys

import pytest

from protocols import BufferedRecorder, Recorder, turns

PROTOCOLS = pytest.mark.parametrize("factory", [Recorder, BufferedRecorder], ids=["protocol", "buffered"])


@PROTOCOLS
@pytest.mark.parametrize("answer", [None, False, 0])
def test_eof_closes_the_transport_when_eof_received_returns_false(loop, run, tcp_pair, factory, answer):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(lambda: factory(keep_open=answer), sock=ours)
        peer.shutdown(1)
        assert await protocol.lost() is None
        assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]
        assert transport.is_closing()
        assert await loop.sock_recv(peer, 10) == b""

    run(main())


@PROTOCOLS
@pytest.mark.parametrize("answer", [True, "yes"])
def test_eof_keeps_the_transport_open_when_eof_received_returns_true(loop, run, tcp_pair, factory, answer):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(lambda: factory(keep_open=answer), sock=ours)
        peer.shutdown(1)
        await protocol.called("eof_received")
        await turns(5)
        assert not transport.is_closing()
        transport.write(b"still open")
        assert await loop.sock_recv(peer, 100) == b"still open"
        transport.close()
        assert await protocol.lost() is None
        assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]

    run(main())


def test_write_eof_sends_what_was_written_and_then_the_end(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert transport.can_write_eof() is True
        data = os.urandom(4 << 20)
        transport.write(data)
        transport.write_eof()
        transport.write_eof()
        received = bytearray()
        while chunk := await loop.sock_recv(peer, 1 << 20):
            received += chunk
        assert received == data
        assert not transport.is_closing()
        await loop.sock_sendall(peer, b"answer")
        assert await protocol.received(6) == b"answer"
        peer.close()
        assert await protocol.lost() is None

    run(main())


@pytest.mark.parametrize("waiting", [b"", bytes(8 << 20)], ids=["nothing waiting", "data waiting"])
def test_write_after_write_eof_raises(loop, run, tcp_pair, waiting):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(waiting)
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
            transport.write(b"late")
        transport.abort()
        await protocol.lost()

    run(main())


def test_writelines_after_write_eof_raises(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"^Cannot call write(lines)?\(\) after write_eof\(\)$"):
            transport.writelines([b"late"])
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="asyncio looks no more when it has read the lines")
def test_write_eof_while_writelines_reads_its_lines(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)

        def lines():
            yield b"late"
            transport.write_eof()

        with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
            transport.writelines(lines())
        assert await loop.sock_recv(peer, 10) == b""
        transport.close()
        assert await protocol.lost() is None

    run(main())


def test_write_eof_after_close_does_nothing(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(b"last")
        transport.close()
        transport.write_eof()
        assert await protocol.lost() is None
        assert await loop.sock_recv(peer, 10) == b"last"

    run(main())


def test_both_sides_half_close_and_end_cleanly(loop, run, tcp_pair):
    async def main():
        socks = tcp_pair()
        ends = [await loop.create_connection(lambda: Recorder(keep_open=True), sock=sock) for sock in socks]
        for transport, _ in ends:
            transport.write(b"last words")
            transport.write_eof()
        for transport, protocol in ends:
            await protocol.called("eof_received")
            assert protocol.data == b"last words"
            assert not transport.is_closing()
            transport.close()
        for _, protocol in ends:
            assert await protocol.lost() is None
            assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]

    run(main())


def test_eof_behind_data_comes_after_all_of_it(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        data = os.urandom(4 << 20)
        _, protocol = await loop.create_connection(Recorder, sock=ours)
        await loop.sock_sendall(peer, data)
        peer.close()
        assert await protocol.lost() is None
        assert protocol.data == data
        assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]

    run(main())


def test_eof_waits_while_reading_is_paused(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.pause_reading()
        await loop.sock_sendall(peer, b"last words")
        peer.shutdown(1)
        await turns(10)
        assert protocol.calls == ["connection_made"]
        transport.resume_reading()
        assert await protocol.lost() is None
        assert protocol.data == b"last words"

    run(main())


def test_eof_received_may_write_its_answer(loop, run, tcp_pair):
    class Answer(Recorder):
        def eof_received(self):
            self.transport.write(bytes(self.data[::-1]))
            return super().eof_received()

    async def main():
        ours, peer = tcp_pair()
        _, protocol = await loop.create_connection(Answer, sock=ours)
        await loop.sock_sendall(peer, b"abc")
        peer.shutdown(1)
        assert await protocol.lost() is None
        assert await loop.sock_recv(peer, 10) == b"cba"

    run(main())


def test_base_protocol_closes_at_eof(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        peer.shutdown(1)
        assert await loop.sock_recv(peer, 10) == b""
        assert transport.is_closing()

    run(main())
