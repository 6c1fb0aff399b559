"""pause_reading and resume_reading, pause_writing and resume_writing, buffer limits, integrity under all of them."""

import asyncio
import hashlib
import random
import socket

import pytest

from protocols import BufferedRecorder, Recorder, fill, turns

HUGE = 10**400  # bytes: no float holds it


def in_short(limit):
    return str(limit)[:6]


async def read_all(loop, sock, size):
    received = bytearray()
    while len(received) < size:
        received += await loop.sock_recv(sock, 1 << 20)
    return bytes(received)


def test_paused_transport_delivers_nothing(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert transport.is_reading() is True
        assert transport.pause_reading() is None
        assert transport.is_reading() is False
        await loop.sock_sendall(peer, b"hello")
        await turns(10)
        assert protocol.data == b""
        assert transport.resume_reading() is None
        assert transport.is_reading() is True
        assert await protocol.received(5) == b"hello"
        transport.close()
        await protocol.lost()

    run(main())


def test_pausing_and_resuming_twice_is_harmless(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.resume_reading()
        for _ in range(2):
            transport.pause_reading()
            transport.pause_reading()
            transport.resume_reading()
            transport.resume_reading()
        await loop.sock_sendall(peer, b"hello")
        assert await protocol.received(5) == b"hello"
        transport.close()
        await protocol.lost()

    run(main())


def test_closing_transport_is_not_reading(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.close()
        assert transport.is_reading() is False
        transport.pause_reading()
        transport.resume_reading()
        assert transport.is_reading() is False
        await protocol.lost()
        transport.pause_reading()
        transport.resume_reading()

    run(main())


def test_pause_in_connection_made_holds_the_first_data(loop, run, tcp_pair):
    class Paused(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        ours, peer = tcp_pair()
        await loop.sock_sendall(peer, b"hello")
        transport, protocol = await loop.create_connection(Paused, sock=ours)
        await turns(10)
        assert protocol.calls == ["connection_made"]
        transport.resume_reading()
        assert await protocol.received(5) == b"hello"
        transport.close()
        await protocol.lost()

    run(main())


def test_pause_in_data_received_holds_the_rest(loop, run, tcp_pair):
    class PausedByData(Recorder):
        def data_received(self, data):
            self.transport.pause_reading()
            super().data_received(data)

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(PausedByData, sock=ours)
        data = random.Random(1).randbytes(4 << 20)
        sending = loop.create_task(loop.sock_sendall(peer, data))
        while len(protocol.data) < len(data):
            await protocol.received(len(protocol.data) + 1)
            size = len(protocol.data)
            await turns(3)
            assert len(protocol.data) == size
            transport.resume_reading()
        await sending
        assert protocol.data == data
        transport.close()
        await protocol.lost()

    run(main())


def test_peer_of_a_paused_transport_is_held_back(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        for sock in (ours, peer):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.pause_reading()
        sending = loop.create_task(loop.sock_sendall(peer, bytes(8 << 20)))
        await turns(1000)
        assert not sending.done()
        transport.resume_reading()
        await sending
        await protocol.received(8 << 20)
        transport.close()
        await protocol.lost()

    run(main())


def test_default_limits_are_64_and_16_kib(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.parametrize(
    "given, limits",
    [
        ({}, (16384, 65536)),
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 0}, (0, 0)),
        ({"high": 10, "low": 10}, (10, 10)),
        ({"high": 10, "low": 0}, (0, 10)),
    ],
    ids=str,
)
def test_set_write_buffer_limits(loop, run, tcp_pair, given, limits):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.set_write_buffer_limits(**given)
        assert transport.get_write_buffer_limits() == limits
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.parametrize("high, low", [(HUGE, None), (None, HUGE), (HUGE, 5), (HUGE, HUGE)], ids=in_short)
def test_write_buffer_limits_that_no_float_holds(loop, run, tcp_pair, high, low):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.set_write_buffer_limits(high, low)
        got_low, got_high = transport.get_write_buffer_limits()
        assert got_high >= 2**63 - 1
        assert got_low == 5 if low == 5 else got_low >= 2**63 - 1
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.parametrize(
    "high, low",
    [
        (10, 11),
        (-1, None),
        (None, -1),
        (5, -1),
        (HUGE, HUGE + 1),
        (HUGE, -1),
        (-HUGE, None),
        (None, -HUGE),
    ],
    ids=in_short,
)
def test_bad_write_buffer_limits_are_refused(loop, run, tcp_pair, high, low):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        with pytest.raises(ValueError, match=r"^high \(.*\) must be >= low \(.*\) must be >= 0$"):
            transport.set_write_buffer_limits(high, low)
        assert transport.get_write_buffer_limits() == (16384, 65536)
        transport.close()
        await protocol.lost()

    run(main())


def test_writing_is_paused_above_high_and_resumed_at_low(loop, run, tcp_pair):
    sizes = []

    class Sizes(Recorder):
        def pause_writing(self):
            sizes.append(self.transport.get_write_buffer_size())
            super().pause_writing()

        def resume_writing(self):
            sizes.append(self.transport.get_write_buffer_size())
            super().resume_writing()

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Sizes, sock=ours)
        transport.set_write_buffer_limits(high=100_000, low=50_000)
        written = await fill(transport, protocol, bytes(range(250)) * 40)
        assert await read_all(loop, peer, len(written)) == written
        await protocol.called("resume_writing")
        assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
        assert sizes[0] > 100_000
        assert sizes[1] <= 50_000
        transport.close()
        assert await protocol.lost() is None

    run(main())


def test_pause_writing_is_called_once_however_much_is_written(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        await fill(transport, protocol)
        for _ in range(10):
            transport.write(bytes(100_000))
        await turns(3)
        assert protocol.calls == ["connection_made", "pause_writing"]
        assert transport.get_write_buffer_size() >= 1_000_000
        transport.abort()
        await protocol.lost()

    run(main())


def test_high_limit_of_zero_pauses_at_the_first_byte_that_waits(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.set_write_buffer_limits(high=0)
        written = await fill(transport, protocol)
        assert transport.get_write_buffer_size() > 0
        await read_all(loop, peer, len(written))
        await protocol.called("resume_writing")
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await protocol.lost()

    run(main())


def test_small_writes_that_the_kernel_takes_do_not_pause(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.set_write_buffer_limits(high=0)
        for _ in range(100):
            transport.write(b"x")
        await turns(3)
        assert transport.get_write_buffer_size() == 0
        assert "pause_writing" not in protocol.calls
        transport.close()
        await protocol.lost()

    run(main())


def test_write_in_resume_writing_continues_the_stream(loop, run, tcp_pair):
    class Source(Recorder):
        left = 200

        def resume_writing(self):
            super().resume_writing()
            self.feed()

        def feed(self):
            while self.left and not self.paused:
                self.transport.write(bytes([self.left]) * 100_000)
                self.left -= 1
            if not self.left:
                self.transport.write_eof()

    async def main():
        ours, peer = tcp_pair()
        _, protocol = await loop.create_connection(Source, sock=ours)
        protocol.feed()
        digest, total = hashlib.sha256(), 0
        while chunk := await loop.sock_recv(peer, 1 << 20):
            digest.update(chunk)
            total += len(chunk)
        protocol.transport.close()
        assert await protocol.lost() is None
        expected = hashlib.sha256()
        for number in range(200, 0, -1):
            expected.update(bytes([number]) * 100_000)
        assert (total, digest.digest()) == (20_000_000, expected.digest())

    run(main())


def test_close_in_resume_writing_loses_the_connection_once(loop, run, tcp_pair, errors):
    class Closing(Recorder):
        def resume_writing(self):
            super().resume_writing()
            self.transport.close()

    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Closing, sock=ours)
        transport.set_write_buffer_limits(high=0)
        written = await fill(transport, protocol)
        assert await read_all(loop, peer, len(written)) == written
        assert await protocol.lost() is None
        await turns(5)
        assert protocol.calls == ["connection_made", "pause_writing", "resume_writing", "connection_lost"]

    run(main())
    assert errors == []


class Torrent:
    """Sends 20 MiB through a transport in pieces of random sizes, while it pauses and resumes reading at random."""

    SIZE = 20 << 20

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.sent = hashlib.sha256()

    async def send(self, transport, protocol):
        left = self.SIZE
        while left:
            await protocol.until(lambda: not protocol.paused)
            piece = self.random.randbytes(min(left, self.random.choice([1, 100, 5_000, 70_000, 300_000])))
            left -= len(piece)
            self.sent.update(piece)
            if self.random.random() < 0.3:
                middle = len(piece) // 2
                transport.writelines([piece[:middle], memoryview(piece)[middle:]])
            else:
                transport.write(self.random.choice([bytes, bytearray, memoryview])(piece))
            await asyncio.sleep(0)
        transport.write_eof()

    async def disturb(self, transport, protocol):
        while "eof_received" not in protocol.calls:
            transport.pause_reading()
            await asyncio.sleep(self.random.choice([0, 0, 0.0005]))
            transport.resume_reading()
            await turns(self.random.randrange(1, 20))


@pytest.mark.parametrize("factory", [Recorder, BufferedRecorder], ids=["protocol", "buffered"])
def test_twenty_mib_both_ways_arrive_intact(loop, run, tcp_pair, factory):
    options = {"keep_open": True}
    if factory is BufferedRecorder:
        options["size"] = 100_000

    async def main():
        torrents, ends = [Torrent(1), Torrent(2)], []
        for sock in tcp_pair():
            ends.append(await loop.create_connection(lambda: factory(**options), sock=sock))
        work = [torrent.send(*end) for torrent, end in zip(torrents, ends)]
        work += [torrent.disturb(*end) for torrent, end in zip(torrents, ends)]
        await asyncio.gather(*work)
        for torrent, (_, protocol) in zip(torrents, reversed(ends)):
            assert len(protocol.data) == Torrent.SIZE
            assert hashlib.sha256(protocol.data).digest() == torrent.sent.digest()
        for transport, protocol in ends:
            transport.close()
            assert await protocol.lost() is None

    run(main())
